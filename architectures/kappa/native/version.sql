-- The tables of one version. Ids compare by bytes (collation "C"): equal on every server, and faster than a language's order.

-- Alerts are only ever inserted.
create table if not exists anomalies_@version@ (
  transaction_id text collate "C" not null,
  rule           text collate "C" not null,
  customer_id    text collate "C" not null,
  event_time     timestamptz not null,
  amount_paise   bigint not null,
  balance_paise  bigint,
  window_start   timestamptz,
  primary key (transaction_id, rule)
);

-- The upserts of every commit hit the same rows again and again. No updated column is indexed, so with room left on
-- the page (fillfactor) an update stays there (HOT), touches no index, and its old version is pruned in passing.
-- What HOT does not reach, autovacuum takes away early and without pauses: a table that grows with dead rows slows every
-- later commit. It never freezes or analyses more than it must within a run.
create table if not exists customer_windows_@version@ (
  customer_id       text collate "C" not null,
  window_start      timestamptz not null,
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  primary key (customer_id, window_start)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);

-- One row a customer and location keeps the profile and the counts behind top_location in a single write.
create table if not exists profile_parts_@version@ (
  customer_id       text collate "C" not null,
  location          text collate "C" not null, -- empty where it is missing
  transactions      bigint not null,
  amount_paise      bigint not null,
  max_balance_paise bigint,
  last_event_time   timestamptz not null,
  primary key (customer_id, location)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
