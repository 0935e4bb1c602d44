package doctor

import (
	"context"

	"lkbench/internal/infra/external"
	"lkbench/internal/kafka"
)

// reachKafka connects to the cluster and asks what its user may do; nothing is made there.
func reachKafka(ctx context.Context, cluster kafka.Cluster) (Reached, error) {
	found, err := external.LookAtKafka(ctx, cluster)
	return Reached{Version: found.Version, Address: cluster.String(), Lacks: found.Lacks}, err
}

// reachPostgres connects to the database and asks what its user may do; nothing is made there.
func reachPostgres(ctx context.Context, postgres string) (Reached, error) {
	found, err := external.LookAtPostgres(ctx, postgres)
	r := Reached{Version: found.Version, Address: found.Address, Lacks: found.Lacks}
	if found.NoReplication != "" {
		r.Notes = []string{"the write-ahead log cannot be followed (" + found.NoReplication + "), so latency is measured by reading, at a lower resolution"}
	}
	return r, err
}
