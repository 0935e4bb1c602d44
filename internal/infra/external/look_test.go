package external

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/infra/infratest"
)

// A look tells versions and addresses, and leaves the servers as they were.
func TestLookLeavesNothing(t *testing.T) {
	postgres, cluster := infratest.Postgres(t), infratest.Kafka(t, 1, "theirs")
	before := things(t, cluster, postgres)
	k, err := LookAtKafka(t.Context(), cluster)
	if err != nil || !strings.HasPrefix(k.Version, "Kafka ") || k.Address != cluster.String() || len(k.Lacks) > 0 {
		t.Errorf("Kafka: %+v, %v", k, err)
	}
	p, err := LookAtPostgres(t.Context(), postgres)
	if err != nil || !strings.HasPrefix(p.Version, "PostgreSQL ") || !strings.HasPrefix(p.Address, "127.0.0.1:") || len(p.Lacks) > 0 || p.NoReplication != "" {
		t.Errorf("PostgreSQL: %+v, %v", p, err)
	}
	if after := things(t, cluster, postgres); !slices.Equal(before, after) {
		t.Errorf("before %v, after %v", before, after)
	}
}

// Rights that lack are told, with what gives them.
func TestLookTellsWhatLacks(t *testing.T) {
	all := slices.DeleteFunc(slices.Clone(allRights), func(o kmsg.ACLOperation) bool { return o == kmsg.ACLOperationCreate })
	k, err := LookAtKafka(t.Context(), secureKafka(t, all).as("lkbench"))
	if err != nil || len(k.Lacks) != 1 || !strings.Contains(k.Lacks[0], "lkbench lacks Create on topics that begin with lkbench_") {
		t.Errorf("Kafka: %+v, %v", k, err)
	}
	p, err := LookAtPostgres(t.Context(), restricted(t, "temporary"))
	if err != nil || len(p.Lacks) != 1 || !strings.Contains(p.Lacks[0], "GRANT CREATE ON DATABASE") {
		t.Errorf("PostgreSQL: %+v, %v", p, err)
	}
	p, err = LookAtPostgres(t.Context(), restricted(t, "create, temporary"))
	if err != nil || len(p.Lacks) != 0 || !strings.Contains(p.NoReplication, "lacks REPLICATION") {
		t.Errorf("PostgreSQL: %+v, %v", p, err)
	}
}

// A replication slot waits for the transactions of others: a look does not, and still tells the rest.
func TestLookDoesNotWaitForOthers(t *testing.T) {
	postgres := infratest.Postgres(t)
	other, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context()))
	if _, err := other.Exec(t.Context(), "begin; create table held (i int)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	p, err := LookAtPostgres(ctx, postgres)
	if err != nil || !strings.HasPrefix(p.Version, "PostgreSQL ") || !strings.Contains(p.NoReplication, "could not be made") {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Nobody there, and a password that is wrong: errors that say what to do and hold no password.
func TestLookAtNobody(t *testing.T) {
	cluster := infratest.Kafka(t, 1)
	cluster.Brokers = []string{"127.0.0.1:1"}
	if _, err := LookAtKafka(t.Context(), cluster); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("Kafka: %v", err)
	}
	_, err := LookAtPostgres(t.Context(), "postgres://joe:"+secret+"@127.0.0.1:1/db")
	if err == nil || !strings.Contains(err.Error(), "nothing listens there") || strings.Contains(err.Error(), secret) {
		t.Errorf("PostgreSQL: %v", err)
	}
}
