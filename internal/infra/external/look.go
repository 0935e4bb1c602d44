package external

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"lkbench/internal/infra"
	"lkbench/internal/kafka"
)

// Look is what can be found out about a server, and this user's rights there, without making anything that stays.
type Look struct {
	Version       string   // what it is and of which version
	Address       string   // where, for PostgreSQL with database and user; never with a password
	Lacks         []string // what a run would miss, a sentence each with what to do
	NoReplication string   // PostgreSQL: why the write-ahead log cannot be followed, "" if it can
}

// lookPrefix is a prefix as a run would have it.
const lookPrefix = DefaultPrefix + "_look_"

// LookAtKafka looks whether a run could work on this cluster. Nothing is made there.
func LookAtKafka(ctx context.Context, cluster kafka.Cluster) (Look, error) {
	const brokersDefault = -1
	metadata, lacks, err := examineKafka(ctx, cluster, lookPrefix, brokersDefault)
	if err != nil {
		return Look{}, err
	}
	look := Look{Version: "Kafka", Address: cluster.String(), Lacks: lacks}
	if client, _, err := reachKafka(ctx, cluster); err == nil { // the version is not worth an error
		defer client.Close()
		look.Version = versionOf(ctx, kadm.NewClient(client))
	}
	if n := len(metadata.Brokers); n > 1 {
		look.Version += fmt.Sprintf(", %d brokers", n)
	}
	return look, nil
}

// LookAtPostgres looks whether a run could work in this database. Nothing is made there but, for a moment, a temporary
// replication slot.
func LookAtPostgres(ctx context.Context, postgres string) (Look, error) {
	config, err := infra.PostgresConfig(postgres)
	if err != nil {
		return Look{}, err
	}
	conn, err := reachPostgres(ctx, config)
	if err != nil {
		return Look{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// A slot waits for the transactions of others. What else was found out is not given up for it.
	within, cancel := ctx, context.CancelFunc(func() {})
	if end, bounded := ctx.Deadline(); bounded {
		within, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(end)*3/4))
	}
	defer cancel()
	d, lacks, err := examineDatabase(within, config, conn, lookPrefix)
	if err != nil && d.Version > 0 && errors.Is(within.Err(), context.DeadlineExceeded) {
		d.noReplication, err = "a replication slot could not be made in time, as while another session's transaction stays open", nil
	}
	if err != nil {
		return Look{}, err
	}
	version, _, _ := strings.Cut(d.VersionText, " ") // Debian and others add their own version in brackets
	return Look{
		Version: "PostgreSQL " + version, Address: fmt.Sprintf("%s:%d (database %s, user %s)", config.Host, config.Port, d.Name, d.User),
		Lacks: lacks, NoReplication: d.noReplication,
	}, nil
}
