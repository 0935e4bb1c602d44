package observe

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/internal/infra"
)

// tenant is a user who may make schemas in the database, log in, and what the attributes say, and nothing else; with a
// schema of its own, of the same name, that holds the table alerts. Other schemas have a table of that name too. It gives
// the connection string with that schema as search path, and the superuser's connection.
func tenant(t *testing.T, attributes string) (address string, super *pgx.Conn) {
	t.Helper()
	plain, super := database(t, alertTable("alerts"), "create schema aaa", alertTable("aaa.alerts"))
	name, password := "tenant_"+strings.ToLower(rand.Text()[:8]), rand.Text()
	u, err := url.Parse(plain)
	if err != nil {
		t.Fatal("the server's connection string cannot be parsed")
	}
	mustExec(t, super, "create role "+name+" login nosuperuser "+attributes)
	if _, err := super.Exec(t.Context(), "alter role "+name+" password '"+password+"'"); err != nil {
		t.Fatal("give the role its password: failed")
	}
	mustExec(t, super, "grant create on database "+strings.TrimPrefix(u.Path, "/")+" to "+name)
	t.Cleanup(func() {
		if _, err := super.Exec(context.Background(), "drop owned by "+name+" cascade; drop role "+name); err != nil {
			t.Error(err)
		}
	})
	u.User = url.UserPassword(name, password)
	address, err = infra.WithSchema(u.String(), name)
	if err != nil {
		t.Fatal(err)
	}
	own := connection(t, address)
	mustExec(t, own, "create schema "+name)
	mustExec(t, own, alertTable("alerts"))
	return address, super
}

// longName is the longest name that PostgreSQL keeps.
var longName = "lkbench_k3x9q2_lkbench_observer_" + strings.Repeat("x", 31)

// TestFollowerAsATenant sees the alerts of its own schema and no others, by either method, with no more rights than needed.
func TestFollowerAsATenant(t *testing.T) {
	for name, c := range map[string]struct{ attributes, bySequence string }{
		"log":      {"replication", ""},
		"sequence": {"noreplication", "a test"},
	} {
		t.Run(name, func(t *testing.T) {
			address, super := tenant(t, c.attributes)
			own := connection(t, address)
			f, err := Follow(t.Context(), FollowerConfig{
				Postgres: address, BySequence: c.bySequence, Publication: longName, Tables: []string{"alerts"}, Rules: testRules,
				Events: 1000, Intended: everyMilli, ParseID: parseID,
			})
			if err != nil {
				t.Fatal(err)
			}
			f.Run(time.Now())
			insertAlert(t, super, "public.alerts", 10, "high")
			insertAlert(t, own, "alerts", 20, "high")
			insertAlert(t, super, "aaa.alerts", 30, "high")
			catchUp(t, f)
			// Found again after a loss of the connection.
			mustExec(t, super, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
				and (backend_type = 'walsender' or application_name = 'lkbench observer')`)
			waitFor(t, func() bool { c := f.Counts(); return len(c.Gaps) == 1 })
			insertAlert(t, super, "public.alerts", 11, "high")
			insertAlert(t, own, "alerts", 21, "high")
			waitFor(t, func() bool { c := f.Counts(); return c.Alerts >= 2 })
			catchUp(t, f)
			if got := f.Counts(); got.Alerts != 2 || got.Undecoded != 0 {
				t.Errorf("%+v, want two alerts", got)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var left int
			if err := super.QueryRow(t.Context(), `select (select count(*) from pg_publication)
				+ (select count(*) from pg_replication_slots where database = current_database())
				+ (select count(*) from pg_sequences)
				+ (select count(*) from information_schema.columns where column_name = 'lkbench_seq')`).Scan(&left); err != nil {
				t.Fatal(err)
			}
			if left != 0 {
				t.Errorf("%d publications, slots, sequences and columns are left", left)
			}
		})
	}
}

// TestFollowerWithoutTheRightToReplicate says so and leaves nothing.
func TestFollowerWithoutTheRightToReplicate(t *testing.T) {
	address, super := tenant(t, "noreplication")
	_, err := Follow(t.Context(), FollowerConfig{
		Postgres: address, Publication: longName, Tables: []string{"alerts"}, Rules: testRules, Intended: everyMilli, ParseID: parseID,
	})
	if err == nil || !strings.Contains(err.Error(), "replication") {
		t.Errorf("error %v, expected one about replication", err)
	}
	var left int
	if err := super.QueryRow(t.Context(), "select count(*) from pg_publication").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d publications are left (%v)", left, err)
	}
}

// TestSlotNamesFit keeps them to PostgreSQL's 63 bytes, for any publication, however often the connection is lost.
func TestSlotNamesFit(t *testing.T) {
	f := newFollower(FollowerConfig{Publication: longName, Now: time.Now}).source.(*walSource)
	f.number = 99_999_997
	if first, second := f.slotName(), f.slotName(); len(second) > 63 || first == second || !strings.HasPrefix(first, longName[:40]+"_") {
		t.Errorf("slots %q and %q: expected at most 63 bytes, different, that begin as the publication", first, second)
	}
	if len(longName) != 63 || !publicationName.MatchString(longName) || publicationName.MatchString(longName+"x") {
		t.Error("publications: expected 63 bytes to be allowed and 64 not")
	}
}
