-- What is served and what is being made. Version 1 is the first answer; every other one processes all events again. The
-- served version is the last that was switched to; the one before it goes when its grace is over.
create table versions (
  version      bigint primary key,
  rules        jsonb not null,
  grace        interval not null,    -- how long the version before is kept after the switch
  requested_at timestamptz not null,
  started_at   timestamptz,
  switched_at  timestamptz,
  done_at      timestamptz,          -- the version before is gone
  events       bigint not null,      -- processed by the switch
  attempts     int not null          -- how often a process has begun or taken up the work
);
