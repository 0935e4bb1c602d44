-- Ids and locations compare by bytes, on every server alike.

-- The master dataset: every counted record, the first delivery of each id, for ever.
create table raw_transactions (
  partition      int    not null,
  "offset"       bigint not null,
  transaction_id text collate "C" primary key,
  customer_id    text collate "C" not null,
  dob            text,
  gender         text,
  location       text collate "C",
  balance_paise  bigint,
  amount_paise   bigint not null,
  event_time     timestamptz not null
);

-- The batch views: what the published generation says about everything below its cut.
create table batch_anomalies (
  transaction_id text collate "C" not null,
  rule           text collate "C" not null,
  customer_id    text collate "C" not null,
  event_time     timestamptz not null,
  amount_paise   bigint not null,
  balance_paise  bigint,
  window_start   timestamptz,
  primary key (transaction_id, rule)
);
create table batch_windows (
  customer_id       text collate "C" not null,
  window_start      timestamptz not null,
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  primary key (customer_id, window_start)
);
create table batch_profile_parts (
  customer_id       text collate "C" not null,
  location          text collate "C" not null, -- '' where it is missing
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  last_event_time   timestamptz not null,
  primary key (customer_id, location)
);

-- The realtime views: what came after the cut of generation epoch. The customer leads the keys, so that the served views
-- find one customer by index. Room on the page (fillfactor) lets the upserts of every commit stay there and touch no
-- index. Vacuum leaves emptied pages: the tables fill up again at once, and cutting the pages off would lock readers out
-- and make the planner believe that the tables are small.
create table rt_anomalies (
  epoch          bigint not null,
  transaction_id text collate "C" not null,
  rule           text collate "C" not null,
  customer_id    text collate "C" not null,
  event_time     timestamptz not null,
  amount_paise   bigint not null,
  balance_paise  bigint,
  window_start   timestamptz,
  primary key (transaction_id, rule)
) with (vacuum_truncate = false);
create table rt_windows (
  epoch             bigint not null,
  customer_id       text collate "C" not null,
  window_start      timestamptz not null,
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  primary key (customer_id, window_start, epoch)
) with (fillfactor = 80, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
create table rt_profile_parts (
  epoch             bigint not null,
  customer_id       text collate "C" not null,
  location          text collate "C" not null, -- '' where it is missing
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  last_event_time   timestamptz not null,
  primary key (customer_id, location, epoch)
) with (fillfactor = 60, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

-- Events that came so late that speed no longer knows how many transactions their window had before; the view anomalies
-- counts them.
create table rt_unsettled (
  epoch          bigint not null,
  customer_id    text collate "C" not null,
  window_start   timestamptz not null,
  "offset"       bigint not null, -- all events of a customer are of one partition
  transaction_id text collate "C" not null,
  event_time     timestamptz not null,
  amount_paise   bigint not null,
  balance_paise  bigint,
  primary key (customer_id, window_start, "offset")
) with (vacuum_truncate = false);

-- Alerts that no insert into rt_anomalies has shown: those that a generation brought (generation is its number), because speed
-- was behind, and velocity of unsettled events (0 where a commit of speed brought it). The served views do not read it.
create table generation_alerts (
  transaction_id text collate "C" not null,
  rule           text collate "C" not null,
  generation     bigint not null,
  primary key (transaction_id, rule)
);

-- The published generation and the thresholds that the served views apply: one row, for ever.
create table serving (
  only_row       boolean primary key default true check (only_row),
  generation     bigint not null,
  velocity_count bigint not null,
  premium_paise  bigint not null,
  frequent_count bigint not null
);
insert into serving (generation, velocity_count, premium_paise, frequent_count)
values (0, :velocity_count, :premium_paise, :frequent_count);

-- What a generation covers: the offsets below cut_offset. A row is written when the generation is planned.
create table cuts (
  generation bigint not null,
  partition  int    not null,
  cut_offset bigint not null,
  primary key (generation, partition)
);
insert into cuts select 0, p, 0 from generate_series(0, :partitions - 1) p;

-- What was asked for to correct history. The rules are those of generation, which is null until it is planned, and of all after it;
-- before the first change those of the deployment hold.
create table changes (
  id           bigint generated always as identity primary key,
  rules        jsonb not null,
  grace        interval not null,
  generation   bigint unique,
  attempts     int not null default 0, -- how often a batch has taken it up
  rows         bigint not null default 0, -- of the master dataset that its generation has read
  requested_at timestamptz not null,
  started_at   timestamptz,
  switched_at  timestamptz,
  done_at      timestamptz
);
create unique index one_change_at_a_time on changes ((true)) where done_at is null;

-- The published generations with their measures. rows and fingerprint tell the next one whether the master dataset below
-- this one's cut is still what it was.
create table generations (
  generation    bigint primary key,
  started_at    timestamptz not null,
  published_at  timestamptz not null,
  rows          bigint not null,
  fingerprint   bigint not null,
  realtime_rows bigint not null,
  changed_rows  bigint not null,
  mode          text not null,
  wait_s        double precision not null,
  read_s        double precision not null,
  write_s       double precision not null,
  publish_s     double precision not null
);

-- The served views. Realtime rows of an epoch below the published generation are covered by the batch views; both are
-- read in one statement, hence from one snapshot, so that the sum is exact at every moment.

create view customer_windows as
select customer_id, window_start, sum(transactions)::bigint as transactions, sum(amount_paise)::bigint as amount_paise,
  max(max_balance_paise) as max_balance_paise
from (
  select customer_id, window_start, transactions, amount_paise, max_balance_paise
  from batch_windows
  union all
  select customer_id, window_start, transactions, amount_paise, max_balance_paise
  from rt_windows where epoch >= (select generation from serving)
) part
group by customer_id, window_start;

-- average_amount is rounded in whole paise, half away from zero, because a numeric quotient is itself rounded before.
create view customer_profiles as
select customer_id, transactions::bigint as transactions, amount_paise::bigint as amount_paise,
  sign(amount_paise) * div(2 * abs(amount_paise) + transactions, 2 * transactions) * 0.01 as average_amount,
  max_balance_paise, top_location,
  case when amount_paise > (select premium_paise from serving) * transactions then 'premium'
       when transactions > (select frequent_count from serving) then 'frequent'
       else 'standard' end as segment,
  last_event_time
from (
  select customer_id, sum(transactions) as transactions, sum(amount_paise) as amount_paise,
    max(max_balance_paise) as max_balance_paise,
    (array_agg(location order by transactions desc, location) filter (where location <> ''))[1] as top_location,
    max(last_event_time) as last_event_time
  from (
    select customer_id, location, sum(transactions) as transactions, sum(amount_paise) as amount_paise,
      max(max_balance_paise) as max_balance_paise, max(last_event_time) as last_event_time
    from (
      select customer_id, location, transactions, amount_paise, max_balance_paise, last_event_time
      from batch_profile_parts
      union all
      select customer_id, location, transactions, amount_paise, max_balance_paise, last_event_time
      from rt_profile_parts where epoch >= (select generation from serving)
    ) part
    group by customer_id, location
  ) place
  group by customer_id
) profile;

-- Velocity of unsettled events is decided here and now, because a generation may take away what was counted before them: as
-- every later event of the window is unsettled too, an event's place is what the window holds less those after it.
create view unsettled_velocity as
select transaction_id, customer_id, event_time, amount_paise, balance_paise, window_start, "offset"
from rt_unsettled u
where epoch >= (select generation from serving)
  and (select velocity_count from serving) = (
    select transactions from customer_windows w where w.customer_id = u.customer_id and w.window_start = u.window_start
  ) - (
    select count(*) from rt_unsettled v
    where v.customer_id = u.customer_id and v.window_start = u.window_start and v."offset" > u."offset"
      and v.epoch >= (select generation from serving)
  );

-- A transaction can be in both batch and realtime view: its repetition came after the stream's horizon and after the cut.
create view anomalies as
select transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start
from batch_anomalies
union all
select transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start
from rt_anomalies r
where epoch >= (select generation from serving)
  and not exists (select from batch_anomalies b where b.transaction_id = r.transaction_id and b.rule = r.rule)
union all
select transaction_id, 'velocity' collate "C", customer_id, event_time, amount_paise, balance_paise, window_start
from unsettled_velocity;
