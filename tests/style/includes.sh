#!/bin/bash
# Who may include whom. shared knows nobody; broker, worker and gatherer know shared; the scatterer's library knows shared;
# only the embedded form, the command line, the tests and the examples know all.
# usage: includes.sh SOURCE_FOLDER
set -u -o pipefail
cd "$1" || exit 1

# Prints the components that a file may include, as a pattern.
allowed_for() {
    case $1 in
        shared/*) echo shared ;;
        broker/*) echo 'broker|shared' ;;
        worker/*) echo 'worker|shared' ;;
        gatherer/*) echo 'gatherer|shared' ;;
        scatterer/cli/* | scatterer/api/embedded* | scatterer/include/fanfold/embedded.hpp) echo 'scatterer|broker|worker|gatherer|shared' ;;
        scatterer/*) echo 'scatterer|shared' ;;
    esac
}

# Prints the component that a public header belongs to.
owner_of_public() {
    case $1 in
        fanfold/value.hpp) echo shared ;;
        fanfold/embedded.hpp) echo embedded ;;
        *)
            local component
            for component in worker scatterer; do
                [[ -e $component/include/$1 ]] && echo "$component" && return
            done
            echo nobody
            ;;
    esac
}

failures=0
checked=0
while IFS=: read -r file line text; do
    target=${text#*\"}
    target=${target%%\"*}
    checked=$((checked + 1))
    case $target in
        fanfold/*) component=$(owner_of_public "$target") ;;
        */*) component=${target%%/*} ;;
        *)
            echo "$file:$line: \"$target\" is not written from the project's root" >&2
            failures=$((failures + 1))
            continue
            ;;
    esac
    if [[ $component == scatterer && $target == scatterer/cli/* && $file != scatterer/cli/* ]]; then component=cli; fi
    if [[ $component == scatterer && $target == scatterer/api/embedded* && $file != scatterer/cli/* && $file != scatterer/*embedded* ]]; then
        component=embedded
    fi
    if [[ $component == embedded && ($file == scatterer/cli/* || $file == scatterer/*embedded*) ]]; then component=scatterer; fi
    if [[ ! $component =~ ^($(allowed_for "$file"))$ ]]; then
        echo "$file:$line: may not include \"$target\" (only $(allowed_for "$file"))" >&2
        failures=$((failures + 1))
    fi
done < <(grep -rnE --include='*.cpp' --include='*.hpp' '^ *# *include +"' shared broker worker gatherer scatterer)

if ((checked < 100)); then
    echo "only $checked includes found under $PWD: the search is broken" >&2
    exit 1
fi
((failures == 0)) || exit 1
echo "$checked includes follow the folders' order"
