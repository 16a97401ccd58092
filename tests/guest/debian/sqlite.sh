# sqlite3: tables, transactions, both journals, a second connection that must wait.
sqlite3 db <<'END'
create table t(id integer primary key, name text, score real);
begin; insert into t(name, score) with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select 'name' || i, i * 0.5 from n; commit;
create index by_name on t(name);
select count(*), sum(score), max(name) from t; select name from t where name like 'name19%' order by score desc limit 2;
explain query plan select * from t where name = 'x';
begin; delete from t; rollback; select count(*) from t;
pragma journal_mode = wal; update t set score = score + 1 where id % 2; select round(avg(score), 3) from t;
pragma integrity_check; vacuum;
.mode csv
select * from t limit 2;
END
for i in 1 2 3 4; do (for j in 1 2 3 4 5; do sqlite3 -cmd '.timeout 60000' db "insert into t(name) values('p$i-$j')"; done) & done; wait
sqlite3 db "select count(*) from t where name like 'p%'"; sqlite3 db .dump | sqlite3 copy; sqlite3 copy 'select count(*) from t'; ls | grep -c wal
