/* Git in the launcher: jupyterlab-git brings commands and a side bar, and no cards. This file is loaded as it is. */

(() => {
  const NAME = 'course-git-launcher';
  const CARDS = [ // a command of jupyterlab-git, and its icon for the card
    ['git:clone', 'git:clone'],
    ['git:init', 'git:add'],
    ['git:ui', 'git']
  ];
  let shared; // JupyterLab's own modules, by their names

  async function module(name) {
    const [version] = Object.values(shared[name] ?? {});
    return version ? (await version.get())() : {};
  }

  async function plugin() {
    const { ILauncher } = await module('@jupyterlab/launcher');
    const { LabIcon } = await module('@jupyterlab/ui-components');

    function activate({ commands }, launcher) {
      if (!launcher) {
        return; // the classic view
      }
      const missing = new Set(CARDS);
      const add = () => {
        for (const card of [...missing].filter(([command]) => commands.hasCommand(command))) {
          missing.delete(card);
          const [command, icon] = card;
          commands.addCommand(`${NAME}:${command}`, {
            label: () => commands.label(command),
            caption: () => commands.caption(command),
            icon: LabIcon.resolve({ icon }),
            execute: () => commands.execute(command)
          });
          launcher.add({ command: `${NAME}:${command}`, category: 'Git', rank: CARDS.indexOf(card) });
        }
      };
      commands.commandChanged.connect(add); // jupyterlab-git makes its commands once it has found Git
      add();
    }

    const made = { id: `${NAME}:plugin`, autoStart: true, optional: ILauncher ? [ILauncher] : [], activate };
    return () => ({ __esModule: true, default: made });
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[NAME] = {
    init: scope => {
      shared = scope;
    },
    get: plugin
  };
})();
