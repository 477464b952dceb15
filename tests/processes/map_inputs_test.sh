#!/bin/bash
# `fanfold map` in one process: where inputs come from, what replacement strings make of them, and
# that no input is ever code.
# shellcheck disable=SC1091,SC2016,SC2119,SC2154  # common.sh is beside it; what is in single quotes
# is for other shells
. "$(dirname "$0")/common.sh"

# --- sources ---
prints $'a\nb\nc' fanfold map -k echo ::: a b c
prints $'a 1\na 2\nb 1\nb 2' fanfold map -k echo ::: a b ::: 1 2
prints $'a 1\nb 2' fanfold map -k echo ::: a b :::+ 1 2
prints $'a 1 x\na 1 y\nb 2 x\nb 2 y' fanfold map -k echo ::: a b :::+ 1 2 ::: x y
printf 'one\ntwo words\nno line end' >lines
printf 'p\nq\nr\n' >pqr
prints $'one\ntwo words\nno line end' fanfold map -k echo :::: lines
prints $'one p\none q\none r\ntwo words p\ntwo words q\ntwo words r\nno line end p\nno line end q\nno line end r' \
    fanfold map -k -- echo :::: lines pqr
prints $'p x\nq y\nr z' fanfold map -k echo :::: pqr :::+ x y z
prints $'one\ntwo words\nno line end' fanfold map -k -a lines echo
prints $'one\ntwo words\nno line end' fanfold map -k echo <lines
prints $'p\nq\nr' fanfold map -k -a - echo <pqr
prints $'p\nq\nr' fanfold map -k echo :::: - <pqr
printf 'a\nb\0c d\0\0e' >nuls
prints $'[a\nb]\n[c d]\n[]\n[e]' fanfold map -k -0 'echo [{}]' <nuls
prints $'1\n3\n5\n7\n10' fanfold map -k --array 1-5:2,7,10 echo
prints $'b/a\nd/c' fanfold map -k --colsep '[,;]' 'echo {2}/{1}' ::: a,b 'c;d'
prints $'p q\nr' fanfold map -k -n 2 echo <pqr
prints $'q p\n r' fanfold map -k -n 2 'echo "{2} {1}"' <pqr
prints '' fanfold map echo </dev/null
silent

# --shuf: the same inputs, and (of 100!) not in their order.
run 0 fanfold map -k -j 1 --shuf echo < <(seq 100)
same "--shuf loses nothing" "$(seq 100)" "$(sort -n out)"
[[ $(cat out) != "$(seq 100)" ]] || fail "--shuf left everything in order"

# A big stdin in blocks: whole lines, nothing lost, each block on a command's stdin.
seq 1 200000 >numbers
run 0 fanfold map -k --pipe --block 100k cat <numbers
cmp -s out numbers || fail "--pipe cat is not its input"
run 0 fanfold map --pipe --block 100k 'wc -l' <numbers
same "lines in all blocks" 200000 "$(awk '{sum += $1} END {print sum}' out)"
blocks=$(wc -l <out)
((blocks >= 10 && blocks <= 20)) || fail "1.3 MB in blocks of 100k made $blocks blocks"
run 0 fanfold map -k --pipe -a numbers --block 1M 'tail -n 1'
same "the last line of all" 200000 "$(tail -n 1 out)"

# --- replacement strings ---
prints 'dir.d/file.tar.gz dir.d/file.tar file.tar.gz dir.d file.tar 1' \
    fanfold map 'echo {} {.} {/} {//} {/.} {#}' ::: dir.d/file.tar.gz
prints $'1:a\n2:b\n3:c' fanfold map -k 'echo {#}:{}' ::: a b c
prints $'2-a-y' fanfold map 'echo {2}-{1}-{3/.}' ::: a ::: 2 ::: x/y.z
prints 'a a' fanfold map echo {} {} ::: a
prints 'a b c' fanfold map echo a b ::: c
prints $'echo a\necho \'b c\'' fanfold map -k --dry-run echo ::: a 'b c'

# --- what an input is never: code ---
rm -f /tmp/pwned
hostile=('$(touch /tmp/pwned)' '; rm x' "a'b" $'line\nbreak')
touch x
prints "$(printf '%s\n' "${hostile[@]}")" fanfold map -k 'echo {}' ::: '$(touch /tmp/pwned)' '; rm x' "a'b" $'line\nbreak'
[[ -e x && ! -e /tmp/pwned ]] || fail "an input was run as code"
hostile+=('`id`' '"' "\\" '$HOME' '*' '~' '!!' '&' '|cat' '<x' '>y' '#' ''
    ' ' $'\t' '{}' '{1}' '%s\n' 'ä€' $'\xff\xfe')
wanted=$(for input in "${hostile[@]}"; do printf '%s\n' "[$input]"; done)
prints "$wanted" fanfold map -k "printf '[%s]\n' {}" ::: "${hostile[@]}"
prints "$wanted" fanfold map -k "printf '[%s]\n'" {} ::: "${hostile[@]}"
prints "$wanted" fanfold map -k --no-shell printf '[%s]\n' {} ::: "${hostile[@]}"
prints "$wanted" fanfold map -k -0 'printf "[%s]\n" {}' < <(printf '%s\0' "${hostile[@]}")
[[ ! -e y ]] || fail "an input was taken for a redirection"

# A word on fanfold's own command line is a word of the shell's line; with --no-shell, an argument as it is.
prints $'a\nb' fanfold map 'echo a; echo' ::: b
prints 'a; echo b' fanfold map --no-shell echo 'a; echo' ::: b
prints '$HOME x' fanfold map --no-shell echo '$HOME' ::: x
prints "$HOME x" fanfold map echo '$HOME' ::: x

# --- the same as the shell's loop, whatever files are called ---
mkdir files
names=(plain 'two words' "quote'd" 'double"quote' $'line\nbreak' '-n' '--help'
    '$(x)' ' ' 'back\slash' 'star*' ';')
count=0
for name in "${names[@]}"; do
    count=$((count + 1))
    seq "$count" >"files/$name"
done
cd files || fail "no folder 'files'"
wanted=$(for name in *; do wc -l <"$name"; done)
timeout "$patience" fanfold map -k 'wc -l < {}' ::: * >../out 2>../err || fail "wc over arguments ended with $?: $(cat ../err)"
same "wc -l < {} ::: FILES" "$wanted" "$(cat ../out)"
printf '%s\0' * | timeout "$patience" fanfold map -0 -k 'wc -l < {}' >../out 2>../err || fail "wc over NULs ended with $?: $(cat ../err)"
same "wc -l < {} with -0" "$wanted" "$(cat ../out)"
cd ..

# --- descriptors that the caller has closed are /dev/null, and not one of the program's own ---
prints '' sh -c 'fanfold map "echo {}" <&-'
prints '' sh -c 'fanfold map --pipe cat <&-'
prints '' sh -c 'fanfold map --function fanfold.echo <&-'
prints '' sh -c 'fanfold map "echo {}" ::: a >&-'
run 1 sh -c 'fanfold map "echo {}; exit 1" ::: a <&- 2>&-'
same "stdout beside a closed stderr" a "$(cat out)"
start closed env -u FANFOLD_KEYS sh -c 'exec fanfold-broker --volatile --bind "tcp://127.0.0.1:*" <&- >&- 2>&-'
await "a daemon opens its stderr" \
    test "/proc/${started[closed]}/fd/2" -ef /dev/null
stop closed
same "the daemon's exit code" 0 "$code"
