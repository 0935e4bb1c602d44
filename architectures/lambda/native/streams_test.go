package native

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// startStreams stands for ingest and speed: it puts their positions, the same on every partition.
func startStreams(ctx context.Context, conn *pgx.Conn, partitions int32, ingest, speed int64) error {
	_, err := conn.Exec(ctx, `
		insert into offsets (component, partition, owner, next_offset, max_event_time, rebuild_offset, late, duplicates, dead_letters)
		select c, p, 'test', o, 0, 0, 0, 0, 0 from generate_series(0, $1::int - 1) p, (values ('ingest', $2::bigint), ('speed', $3)) v (c, o)
		on conflict (component, partition) do update set next_offset = excluded.next_offset`, partitions, ingest, speed)
	return err
}
