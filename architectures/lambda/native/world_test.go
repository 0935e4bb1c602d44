package native

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lkbench/architectures"
	"lkbench/internal/bank"
	"lkbench/internal/infra/infratest"
)

// world is a deployed Lambda without its stream components: the test moves the positions and fills the master dataset.
type world struct {
	env    architectures.Environment
	system architectures.System
	conn   *pgx.Conn
	batch  *batch
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := architectures.Environment{
		Postgres: infratest.Postgres(t), Partitions: 3, Rules: bank.DefaultRules(),
		Settings: architectures.Settings{BatchEvery: time.Millisecond},
	}
	system, err := New().Deploy(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	w := &world{env: env, system: system, conn: connect(t, env.Postgres)}
	// Nothing here cuts the power, and waiting for the disk is most of the time that tests take.
	w.exec(t, `do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$;
		set synchronous_commit = off`)
	w.setRules(env.Rules)
	return w
}

// setRules gives the batch other rules, as if it had been deployed with them.
func (w *world) setRules(rules bank.Rules) {
	w.env.Rules = rules
	w.batch = newBatch(w.env, slog.New(slog.DiscardHandler))
	w.batch.aggregate.rangePages, w.batch.aggregate.pendingBytes = 1, 500
}

func connect(t testing.TB, postgres string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(conn.PgConn()) })
	return conn
}

// tb is what testing.T and rapid.T have in common.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func (w *world) exec(t tb, sql string, args ...any) {
	t.Helper()
	if _, err := w.conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// clear brings the database back to its state after Deploy.
func (w *world) clear(t tb) {
	var sql string // on small tables far faster than truncate
	for _, table := range []string{"raw_transactions", "batch_anomalies", "batch_windows", "batch_profile_parts", "rt_anomalies",
		"rt_windows", "rt_profile_parts", "rt_unsettled", "generation_alerts", "generations", "changes", "offsets"} {
		sql += "delete from " + table + ";"
	}
	w.exec(t, sql+`update serving set generation = 0; delete from cuts where generation > 0`)
}

// record is one row of the master dataset, or an event on its way there.
type record struct {
	partition int32
	offset    int64
	id        string
	customer  string
	location  string // empty: null
	balance   *int64
	amount    int64
	at        bank.Micros
}

func (w *world) insert(t tb, records []record) {
	t.Helper()
	rows := make([][]any, len(records))
	for i, r := range records {
		var location *string
		if r.location != "" {
			location = &r.location
		}
		rows[i] = []any{r.partition, r.offset, r.id, r.customer, location, r.balance, r.amount, r.at.Time()}
	}
	columns := []string{"partition", "offset", "transaction_id", "customer_id", "location", "balance_paise", "amount_paise", "event_time"}
	if _, err := w.conn.CopyFrom(context.Background(), pgx.Identifier{"raw_transactions"}, columns, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
}

// streams puts the positions of ingest and speed, the same on every partition.
func (w *world) streams(t tb, ingest, speed int64) {
	t.Helper()
	if err := startStreams(context.Background(), w.conn, w.env.Partitions, ingest, speed); err != nil {
		t.Fatal(err)
	}
}

// generate publishes a generation and returns its measures.
func (w *world) generate(t tb) architectures.Batch {
	t.Helper()
	ctx := context.Background()
	conn, err := w.batch.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn.PgConn())
	if err := w.batch.generation(ctx, conn); err != nil {
		t.Fatal(err)
	}
	batches, err := w.system.Batches(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return batches[len(batches)-1]
}

// dump is the rows of a query as text, in their order.
func (w *world) dump(t tb, sql string) []string {
	t.Helper()
	found, err := w.conn.Query(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	slices.Sort(lines)
	return lines
}

// Rows as text; times in microseconds, strings quoted, nulls as null.
const (
	anomalyText = `select format('%s %s %s %s %s %s %s', to_json(transaction_id), rule, to_json(customer_id),
		(extract(epoch from event_time) * 1000000)::bigint, amount_paise, coalesce(balance_paise::text, 'null'),
		coalesce((extract(epoch from window_start) * 1000000)::bigint::text, 'null')) from `
	windowText = `select format('%s %s %s %s %s', to_json(customer_id), (extract(epoch from window_start) * 1000000)::bigint,
		transactions, amount_paise, coalesce(max_balance_paise::text, 'null')) from `
	partText = `select format('%s %s %s %s %s %s', to_json(customer_id), to_json(location), transactions, amount_paise,
		coalesce(max_balance_paise::text, 'null'), (extract(epoch from last_event_time) * 1000000)::bigint) from `
	profileText = `select format('%s %s %s %s %s %s %s %s', to_json(customer_id), transactions, amount_paise, average_amount,
		coalesce(max_balance_paise::text, 'null'), coalesce(to_json(top_location)::text, 'null'), segment,
		(extract(epoch from last_event_time) * 1000000)::bigint) from `
)

// answers is all that there is to be said about some records, as text and sorted.
type answers struct{ Anomalies, Windows, Parts, Profiles []string }

// batchAnswers is what the batch views say; profiles are those served, which is the same without realtime rows.
func (w *world) batchAnswers(t tb) answers {
	t.Helper()
	return answers{
		w.dump(t, anomalyText+"batch_anomalies"), w.dump(t, windowText+"batch_windows"), w.dump(t, partText+"batch_profile_parts"),
		w.dump(t, profileText+"customer_profiles"),
	}
}

// reference is the naive computation of docs/workload.md, on its own: it shares nothing with the program but the
// thresholds.
func reference(records []record, rules bank.Rules) answers {
	return ruled(records, rules, func(record) bank.Rules { return rules })
}

// ruled is the same while a change of rules is on its way: profiles and unsettled events follow the rules that are served, the
// alerts of any other record those that of gives for it.
func ruled(records []record, served bank.Rules, of func(record) bank.Rules) answers {
	var a answers
	inOrder := slices.SortedFunc(slices.Values(records), func(a, b record) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
	})
	windows, parts, profiles := map[string][]record{}, map[string][]record{}, map[string][]record{}
	size := served.Window.Microseconds()
	for _, r := range inOrder {
		rules := of(r)
		alert := func(rule, window string) {
			a.Anomalies = append(a.Anomalies, fmt.Sprintf("%s %s %s %d %d %s %s", quoted(r.id), rule, quoted(r.customer), r.at, r.amount, orNull(r.balance), window))
		}
		if r.balance != nil && r.amount*100 > rules.RelativePercent**r.balance {
			alert("high_value_relative", "null")
		}
		if max(r.amount, -r.amount) > int64(rules.AbsolutePaise) {
			alert("high_value_absolute", "null")
		}
		if r.balance != nil && *r.balance < r.amount {
			alert("overdraft_attempt", "null")
		}
		number := int64(r.at) / size
		if int64(r.at) < number*size {
			number--
		}
		window := fmt.Sprintf("%s %d", quoted(r.customer), number*size)
		windows[window] = append(windows[window], r)
		if unsettledWindow(bank.Micros(number * size)) {
			rules = served
		}
		if len(windows[window]) == int(rules.VelocityCount) {
			alert("velocity", fmt.Sprint(number*size))
		}
		part := quoted(r.customer) + " " + quoted(r.location)
		parts[part] = append(parts[part], r)
		profiles[r.customer] = append(profiles[r.customer], r)
	}
	for key, list := range windows {
		count, sum, balance, _ := total(list)
		a.Windows = append(a.Windows, fmt.Sprintf("%s %d %d %s", key, count, sum, balance))
	}
	for key, list := range parts {
		count, sum, balance, last := total(list)
		a.Parts = append(a.Parts, fmt.Sprintf("%s %d %d %s %d", key, count, sum, balance, last))
	}
	for name, list := range profiles {
		a.Profiles = append(a.Profiles, profile(name, list, served))
	}
	for _, lines := range [][]string{a.Anomalies, a.Windows, a.Parts, a.Profiles} {
		slices.Sort(lines)
	}
	return a
}

func profile(name string, list []record, rules bank.Rules) string {
	count, sum, balance, last := total(list)
	places := map[string]int{}
	top := ""
	for _, r := range list {
		if r.location != "" {
			places[r.location]++
		}
	}
	for place, n := range places {
		if top == "" || n > places[top] || n == places[top] && place < top {
			top = place
		}
	}
	topText, segment := "null", "standard"
	if top != "" {
		topText = quoted(top)
	}
	if count > rules.FrequentCount {
		segment = "frequent"
	}
	if sum > int64(rules.PremiumPaise)*count {
		segment = "premium"
	}
	paise, sign := (2*max(sum, -sum)+count)/(2*count), ""
	if sum < 0 && paise > 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s %d %d %s%d.%02d %s %s %s %d", quoted(name), count, sum, sign, paise/100, paise%100, balance, topText, segment, last)
}

func total(list []record) (count, sum int64, balance string, last bank.Micros) {
	var highest *int64
	last = list[0].at
	for _, r := range list {
		sum += r.amount
		last = max(last, r.at)
		if r.balance != nil && (highest == nil || *r.balance > *highest) {
			highest = r.balance
		}
	}
	return int64(len(list)), sum, orNull(highest), last
}

func orNull(v *int64) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}

// quoted writes a string as PostgreSQL's to_json does.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
