#!/bin/bash
# Brings the course and its environment onto the volume of a notebook instance: bash set_up.sh [REPOSITORY]
#
# What is there is kept, so that it can be run again at any time; it goes on where it was cut off. Without a repository
# it takes the course that is on the volume, and waits for one that the instance itself is just cloning.

VOLUME=/home/ec2-user/SageMaker
PLACE=/home/ec2-user/.course
KERNELS=/home/ec2-user/.local/share/jupyter/kernels
PYTHON=$VOLUME/.course-python
CONDA=/home/ec2-user/anaconda3/bin/conda
exec >> "$VOLUME/course-set-up.log" 2>&1

say() { echo "$(date -u '+%F %T') $*"; }
give_up() {
    say "$* Mend that, then type in a terminal: bash ~/.course/set_up.sh $(printf '%q' "$repository")"
    exit 1
}

clone() {
    local name=${repository%/}
    name=${name##*[/:]} # of "https://host/course.git" and of "git@host:course.git"
    course=$VOLUME/${name%.git}
    [ -e "$course" ] && return
    say "Cloning $repository"
    rm -rf "$course.cloning"
    GIT_TERMINAL_PROMPT=0 git clone -q -- "$repository" "$course.cloning" || give_up "The repository was not cloned."
    mv "$course.cloning" "$course"
}
find_course() {
    local patience
    for patience in {60..1}; do
        for course in "$VOLUME"/*; do
            [ -f "$course/helpers/environment.py" ] && return
        done
        [ "$patience" = 60 ] && say "No course is on the volume yet, and no repository was named: waiting five minutes."
        sleep 5
    done
    give_up "No course has come to the volume. Clone one into ~/SageMaker."
}
# A whole Python on the volume, by conda: the instance's own is too old, and goes with the instance.
python_by_conda() {
    [ -f "$PYTHON/complete" ] && return
    [ -x "$CONDA" ] || return
    say "Making a Python by conda"
    rm -rf "$PYTHON"
    "$CONDA" create -y -q -p "$PYTHON" --override-channels -c conda-forge python=3.11 && touch "$PYTHON/complete"
}

repository=${1:-}
exec 9> "$PLACE/set_up.lock"
if command -v flock > /dev/null && ! flock -w 5 9; then
    say "The set-up is running already."
    exit 0
fi
if [ -n "$repository" ]; then clone; else find_course; fi
cd "$course" && [ -f helpers/environment.py ] || give_up "$course is not the course: it has no helpers/environment.py."
python_by_conda
if [ -f "$PYTHON/complete" ]; then
    "$PYTHON/bin/python" helpers/environment.py --with-this-python
else
    python3 helpers/environment.py
fi || give_up "The environment was not made."
mkdir -p "$KERNELS"
ln -sfn "$course/.venv/share/jupyter/kernels/sagemaker-course" "$KERNELS/sagemaker-course"
say "Ready: $course, with the kernel SageMaker course."
