# Files, names, attributes, text and numbers by the everyday tools.
seq -s ' ' 1 3 19; factor 360; numfmt --to=iec 1048576; expr 6 \* 7; date -u -d @86400 +%F; printf '%x\n' 255
mkdir -p a/b/c; touch -d '2020-01-02 03:04:05 UTC' a/f; stat -c '%y %a %h %F' a/f; TZ=UTC ls -l --time-style=+%Y a/f | cut -c1-10
echo content > a/b/one; ln a/b/one a/b/two; ln -s one a/b/link; stat -c '%h %N' a/b/one a/b/link
cp -a a copy; diff -r a copy && echo same; mv copy moved; rm -r moved; ls -R a; du -sb a/b/one | cut -f1
chmod 750 a/f; chmod u+s,o-x a/b; stat -c %a a/f a/b; install -m 600 a/b/one inst; stat -c '%a %s' inst
truncate -s 100000 sparse; stat -c %s sparse; head -c 3 sparse | od -c; split -b 30000 sparse part; ls part*; cat part* | cmp - sparse && echo joined
for sum in md5sum sha1sum sha256sum b2sum cksum; do echo hash me | $sum; done
printf 'b 2\na 1\nc 3\na 1\n' > t; sort t | uniq -c; sort -k2nr t | head -2; cut -d' ' -f1 t | tr abc xyz; paste t t | tail -1; tac t; nl t; wc t; rev < t 2>/dev/null | head -1
join <(sort -u t) <(sort -u t); comm -12 <(sort -u t) <(printf 'a 1\n'); fold -w 2 <<< abcdef; expand <<< $'a\tb'; fmt -w 10 <<< "some words here"
base64 <<< "to text"; base64 -d <<< dG8K; shuf -i 1-10 | sort -n | tail -1; yes | head -2; tee copy2 <<< kept; cat copy2; tsort <<< "a b b c"
timeout 0.3 sleep 5; echo "status $?"; env -i X=1 /usr/bin/env; nice -n 3 nice; nohup true 2>/dev/null; test -f t -a -d a && echo both; basename /x/y.z .z; dirname /x/y; realpath a/../a/f | sed 's,.*/,,'
id -u; whoami; pwd | sed 's,.*/,,'; nproc > n && [ -s n ] && echo cpus; df . > /dev/null && echo df; sync; mktemp -u XXXX | wc -c; mkfifo q; stat -c %F q; [ "$(uname -s)" = Linux ] && echo kernel
dd if=t of=u bs=4 skip=1 seek=2 conv=notrunc 2>/dev/null; od -An -c u; shred -u u && ls u 2>/dev/null || echo shredded; stty size < /dev/null 2>&1 | cut -d: -f1
rm -f nothing; rm nothing 2>/dev/null; echo "status $?"; rmdir a 2>/dev/null || echo "not empty"; ls /nowhere 2>&1 | tail -1; cat a 2>&1
