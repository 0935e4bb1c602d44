-- Truth about how far a component has come. owner and next_offset are compared and set by every commit.
-- Half-empty pages keep the update of every commit on the row's own page (HOT), however often it is written.
create table offsets (
  component      text   not null,
  partition      int    not null,
  owner          text   not null,
  next_offset    bigint not null,
  max_event_time bigint not null, -- microseconds since the Unix epoch; the smallest bigint while no event was seen
  rebuild_offset bigint not null, -- lowest offset that the state after a restart can still depend on
  epoch          bigint not null default 0,
  late           bigint not null,
  duplicates     bigint not null,
  dead_letters   bigint not null,
  primary key (component, partition)
) with (fillfactor = 20);
