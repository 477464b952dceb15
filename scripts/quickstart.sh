#!/bin/bash
# From a fresh clone to a job: installs the packages, builds, and counts the words of real text
# files over an embedded fleet.
# usage: scripts/quickstart.sh [FILE...]      without files: the licences and copyright notes that
# every Debian machine has
set -eu -o pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
if [[ ${1:-} == --help || ${1:-} == -h ]]; then
    sed -n '2,5s/^# //p' "$0"
    exit 0
fi

files=()
for file in "$@"; do
    [[ -f $file && -r $file ]] || {
        echo "quickstart.sh: cannot read the file '$file'" >&2
        exit 1
    }
    files+=("$(realpath "$file")")
done
if ((${#files[@]} == 0)); then
    mapfile -t files < <(find /usr/share/common-licenses /usr/share/doc -type f \( -path \
        '*/common-licenses/*' -o -name copyright \) \
        -readable 2>/dev/null | sort | head -n 5000)
fi
if ((${#files[@]} == 0)); then
    echo "quickstart.sh: no text files under /usr/share/common-licenses and /usr/share/doc; name some as arguments" >&2
    exit 1
fi

"$source_folder/scripts/setup.sh"
cd "$source_folder"
echo "building (the first time takes some minutes)"
log=$source_folder/build/quickstart.log
mkdir -p "$source_folder/build"
{ cmake --preset release &&
    cmake --build --preset release --target programs examples; } >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    echo "quickstart.sh: the build failed; all of its output is in $log" >&2
    exit 1
}

echo "counting the words of ${#files[@]} files"
build/release/examples/embedded_word_count "${files[@]}"
cat <<END

The programs are in $source_folder/build/release/bin. Next, for instance:
  build/release/bin/fanfold map -k 'wc -l < {}' ::: *.md
  scripts/fleet-local.sh up --workers 3
END
