# nginx with workers serves files to curl, one after the other and at once.
mkdir -p www logs tmp; for i in 1 2 3; do head -c $((i * 100000)) /dev/zero | tr '\0' "$i" > www/f$i; done; echo '<h1>index</h1>' > www/index.html; mkdir www/dir; echo in > www/dir/f
cat > conf <<END
daemon off; master_process on; worker_processes 2; pid $PWD/pid; error_log $PWD/logs/error info; user root;
events { worker_connections 64; }
http { access_log $PWD/logs/access; sendfile on; tcp_nopush on; default_type text/plain; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  server { listen 127.0.0.1:7392; root $PWD/www; autoindex on; gzip on; gzip_types text/plain; gzip_min_length 10;
    location /again/ { proxy_pass http://127.0.0.1:7392/; } location /gone { return 410 "gone\n"; } } }
END
nginx -p "$PWD/" -c conf & server=$!
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:7392/ && break; sleep 0.2; done
U=http://127.0.0.1:7392
curl -s $U/; for i in 1 2 3; do curl -s $U/f$i | md5sum; done; curl -s -o /dev/null -w '%{http_code} %{size_download}\n' $U/none; curl -s -I $U/f1 | grep -i '^content-length' | tr -d '\r'
curl -s -r 100-199 $U/f3 | wc -c; curl -s $U/again/index.html; curl -s $U/gone; curl -s --compressed $U/f1 | md5sum; curl -s $U/dir/ | grep -c '<a href'; curl -s -w '%{num_connects}\n' -o /dev/null $U/f1 -o /dev/null $U/f2
seq $((LONG ? 500 : 30)) | xargs -P 6 -I{} curl -s -o /dev/null -w '%{http_code}\n' $U/f1 | sort | uniq -c | sed 's/^ *//' | cut -d' ' -f2
nginx -p "$PWD/" -c conf -s reload 2>/dev/null; sleep 1; curl -s $U/ ; kill -QUIT $server; wait $server; echo "ended $?"; grep -c 'GET /f2' logs/access; ls pid 2>/dev/null || echo "no pid file"
