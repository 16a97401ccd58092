# grep, sed, awk, find, xargs, tar, the compressors, diff and patch.
for i in $(seq 200); do echo "line $i of $((i * i % 97))"; done > data
grep -c 'of 1' data; grep -n -m 2 'of 9[0-6]$' data; grep -o '[0-9]*$' data | sort -n | uniq | wc -l; grep -P '(?<=of )7$' data | head -2; grep -rl 'line 7 ' . ; grep -vc line data; echo "none $?"
sed -n '3,5{s/line/LINE/;p}' data; sed '$!d' data; sed -e '1~50!d' -e 's/\([0-9]*\) of \([0-9]*\)/\2 \1/' data; sed -i 's/of/OF/' data; head -1 data; sed 'N;N;s/\n/+/g' data | tail -1
awk '{ n[$4]++ } END { for (k in n) if (n[k] > 2) c++; print NR, c }' data; awk -F' ' 'NR % 60 == 0 { printf "%s|%d\n", $2, $4 * 2 }' data
mkdir -p tree/{a,b}/{c,d}; for d in tree/*/*; do echo "$d" > "$d/file.txt"; touch "$d/other"; done; chmod 755 tree/a/c/file.txt
find tree -name '*.txt' | sort; find tree -type f -empty | wc -l; find tree -perm -100 -type f; find tree -newer data -type d -maxdepth 1 | sort; find tree -name file.txt -exec cat {} + | sort | head -2; find tree -depth -name c -print | sort
find tree -type f -print0 | xargs -0 -n 3 -P 2 sh -c 'echo $#' | sort; seq 5 | xargs -I{} echo '<{}>'
tar cf t.tar tree && tar tf t.tar | wc -l; mkdir x && tar xf t.tar -C x && diff -r tree x/tree && echo "tar same"; tar czf - tree | tar tzf - | sort | head -3; tar --exclude='*.txt' -cJf t.tar.xz tree && tar tJf t.tar.xz | grep -c other
for c in gzip bzip2 xz; do $c -k -9 data; ls data.*z* | head -1; $c -dc data.*z* | cmp - data && echo "$c same"; rm data.?z* data.bz2 2>/dev/null; done
cp data new; sed -i '5s/$/ changed/;150d' new; diff -u data new | grep -c '^[+-]'; diff data new > p; patch -s data < p; cmp data new && echo patched
