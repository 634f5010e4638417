-- Many queries of many kinds, with the same output each time. ROWS is replaced by a number.
create table t (a integer primary key, b int, c text, d real);
create table u (x int, y text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < ROWS)
    insert into t select i, i * 7919 % 10007, 'word' || i % 97, i * 0.37 from n;
insert into u select a % 500, hex(a * 31) from t where a <= ROWS / 4;
create index ib on t (b);
create view v as select c, count(*) as n, sum(b) as s from t group by c;
select count(*), sum(b), avg(d) from t;
select c, count(*), min(b), max(b), length(group_concat(a)) from t where b % 5 = 0 group by c;
select t.a, u.y from t join u on t.b = u.x where t.a % 13 = 0 order by u.y, t.a limit 2000;
select a, row_number() over (partition by c order by b), lag(d) over (order by a) from t
    where a < 2000;
with recursive f(n, a, b) as
    (select 1, 0, 1 union all select n + 1, b, (a + b) % 1000007 from f where n < ROWS)
    select sum(a) from f;
select json_group_array(json_object('a', a, 'c', c)) from t where a < 300;
select json_extract(value, '$.k') from json_each('[{"k":1},{"k":"two"},{"k":[3]}]');
select printf('%08.3f|%s|%x', d, c, b) from t where a between 100 and 1000;
select count(*) from t where c like '%5' or c glob 'word[1-3]*' or c in (select y from u);
select * from v where n > (select avg(n) from v) order by s;
create trigger changed after update on t begin insert into u values (new.b, 'new' || new.a); end;
begin;
update t set b = b + 1, c = upper(c) where a % 3 = 0;
savepoint s;
delete from u where x % 2;
rollback to s;
delete from t where a % 7 = 0;
commit;
select count(*), total(length(y)) from u;
create virtual table ft using fts5 (body);
insert into ft select c || ' ' || y from t join u on t.a = u.rowid;
select highlight(ft, 0, '<', '>') from ft where ft match 'word3* or new*' limit 50;
select missing from t;
select 1 +;
explain query plan select * from t where b = 3;
pragma integrity_check;
vacuum;
select count(*), sum(a), max(c) from t;
