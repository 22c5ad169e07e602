#!/bin/bash
# The course on a notebook instance, at each start: its environment, its kernel, and auto-stop.
#
# `course notebook` puts in front of this: REPOSITORY (a Git address, or nothing), IDLE and EVERY (seconds), and the
# functions set_up_sh and auto_stop_py, which print those programs. Nothing here makes the start fail; what takes long
# goes on in the background, since a script has five minutes.

VOLUME=/home/ec2-user/SageMaker # stays when the instance is stopped
PLACE=/home/ec2-user/.course    # goes, like all else
KERNELS=/home/ec2-user/.local/share/jupyter/kernels

as_learner() { sudo -u ec2-user -H "$@"; }

# A timer of systemd, or cron, or else a loop: not every platform has each of them.
as_timer() {
    [ -d /run/systemd/system ] || return 1
    systemctl stop course-auto-stop.timer 2> /dev/null
    systemd-run --unit=course-auto-stop --collect --uid=ec2-user \
        --on-active="$EVERY" --on-unit-active="$EVERY" --timer-property=AccuracySec=1s "${look[@]}"
}
as_cron() {
    pgrep -x 'crond?' > /dev/null || return 1
    { crontab -u ec2-user -l 2> /dev/null | grep -v auto_stop.py; echo "* * * * * ${look[*]}"; } | crontab -u ec2-user -
}
as_loop() { as_learner nohup "${look[@]}" --every "$EVERY" < /dev/null > /dev/null 2>&1 & }

as_learner mkdir -p "$PLACE" "$KERNELS"
set_up_sh | as_learner tee "$PLACE/set_up.sh" > /dev/null
auto_stop_py | as_learner tee "$PLACE/auto_stop.py" > /dev/null

# The kernel of an environment that is there from before; the set-up registers a new one.
for kernel in "$VOLUME"/*/.venv/share/jupyter/kernels/sagemaker-course; do
    [ -d "$kernel" ] && as_learner ln -sfn "$kernel" "$KERNELS/sagemaker-course"
done
as_learner nohup bash "$PLACE/set_up.sh" "$REPOSITORY" < /dev/null > /dev/null 2>&1 &
echo "The course is set up in the background. What happens is in $VOLUME/course-set-up.log"

for python in /home/ec2-user/anaconda3/envs/python3/bin/python /home/ec2-user/anaconda3/bin/python python3; do
    as_learner "$python" -c 'import boto3' 2> /dev/null && break
done
look=("$(command -v "$python")" "$PLACE/auto_stop.py" --idle "$IDLE")
if as_timer; then
    way="a timer of systemd"
elif as_cron; then
    way=cron
else
    as_loop
    way="a loop"
fi
echo "Auto-stop looks by $way. What it sees is in $VOLUME/course-auto-stop.log"
exit 0
