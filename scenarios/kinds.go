package scenarios

import (
	"regexp"
	"slices"
	"strings"
)

// roles are those of components that a fault can have as its target, beside broker and database.
var roles = []string{"stream", "speed", "ingest", "batch", "all", "random"}

// kind is a kind of fault: its fields beside at and kind, and what it can be done to.
type kind struct {
	fields
	targets targets
}

// targets is a set of what a fault can be done to.
type targets string

const (
	anyTarget     targets = "a role or the name of a component or server"
	componentOnly targets = "a component or a role of components: stream, speed, ingest, batch, all or random"
	databaseOnly  targets = "database, or no target"
	brokerOnly    targets = "broker, or no target"
	noTarget      targets = "no target"
)

// kinds are all there are. What they do stands in docs/scenarios.md.
var kinds = []kind{
	{fields{"crash", []string{"target"}, []string{"for"}}, anyTarget},
	{fields{"stop", []string{"target"}, []string{"for"}}, anyTarget},
	{fields{"pause", []string{"target", "for"}, nil}, anyTarget},
	{fields{"restart-loop", []string{"target", "times", "every"}, nil}, anyTarget},
	{fields{"zombie", []string{"target", "for"}, nil}, componentOnly},
	{fields{"cpu", []string{"target", "for", "share"}, nil}, anyTarget},
	{fields{"memory", []string{"target", "for", "mib"}, nil}, anyTarget},

	{fields{"latency", []string{"target", "to", "for", "mean"}, []string{"jitter", "direction"}}, componentOnly},
	{fields{"bandwidth", []string{"target", "to", "for", "kib_per_s"}, []string{"direction"}}, componentOnly},
	{fields{"drop", []string{"target", "to", "for"}, []string{"direction"}}, componentOnly},
	{fields{"reset", []string{"target", "to"}, nil}, componentOnly},
	{fields{"partition", []string{"target", "to", "for"}, nil}, componentOnly},

	{fields{"disk-full", []string{"for"}, []string{"target"}}, databaseOnly},
	{fields{"disk-slow", []string{"for"}, []string{"target"}}, databaseOnly},
	{fields{"connections", []string{"for"}, []string{"target"}}, databaseOnly},
	{fields{"lock", []string{"for"}, []string{"target", "view"}}, databaseOnly},
	{fields{"vacuum", []string{"for"}, []string{"target", "view"}}, databaseOnly},
	{fields{"slow-query", []string{"for"}, []string{"target", "view", "sessions"}}, databaseOnly},

	{fields{"leader-move", nil, []string{"target"}}, brokerOnly},
	{fields{"topic-full", []string{"for"}, nil}, noTarget},
}

// Kinds are the names of all kinds of fault.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func kindOf(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

func (k kind) isNetwork() bool { return k.has("to") }

// freezes says that the target's processes do nothing for a time, and cannot be told anything either.
func (k kind) freezes() bool {
	return k.name == "pause" || k.name == "zombie" || k.name == "topic-full"
}

var targetPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// accepts says whether a target can be among what the kind is done to. Whether an architecture has a component of a name shows
// only when it is known.
func (t targets) accepts(target string) bool {
	switch t {
	case componentOnly:
		return targetPattern.MatchString(target) && !isServer(target)
	case databaseOnly:
		return target == "" || isDatabase(target)
	case brokerOnly:
		return target == "" || target == "broker"
	case noTarget:
		return target == ""
	}
	return targetPattern.MatchString(target)
}

func isBroker(target string) bool { return target == "broker" || strings.HasPrefix(target, "broker-") }

// isDatabase: the serving layer is the database's views in every architecture.
func isDatabase(target string) bool { return target == "database" || target == "serving" }

func isServer(target string) bool { return isBroker(target) || isDatabase(target) }

// meet says whether two targets can have a process in common. A name is not known here to be of a role, so it is taken to be.
func meet(a, b string) bool {
	switch {
	case a == b || isDatabase(a) && isDatabase(b):
		return true
	case isServer(a) || isServer(b):
		return isBroker(a) && isBroker(b) && (a == "broker" || b == "broker")
	}
	whole := func(t string) bool { return t == "all" || t == "random" }
	role := func(t string) bool { return slices.Contains(roles, t) }
	part := func(t string) bool { return t == "speed" || t == "ingest" }
	switch {
	case whole(a) || whole(b):
		return true
	case role(a) && role(b):
		return a == "stream" && part(b) || b == "stream" && part(a)
	}
	return role(a) || role(b)
}

// occupies are the targets whose processes a fault must have for itself.
func (f Fault) occupies() []string {
	switch k, _ := kindOf(f.Kind); {
	case k.isNetwork():
		return nil
	case k.targets == databaseOnly:
		return []string{"database"}
	case k.targets == brokerOnly:
		return []string{"broker"}
	case k.targets == noTarget:
		return []string{"broker", "stream"} // the readers stand still while the log is cut
	}
	return []string{f.Target}
}

// clashes says whether two faults are at work at the same time on the same thing, in a way that the end of one would be the end of
// both, or of none. What is slow or unreachable may also crash; but what stands still cannot be told about its network.
func (f Fault) clashes(g Fault) bool {
	if f.At > g.End() || g.At > f.End() {
		return false
	}
	a, _ := kindOf(f.Kind)
	b, _ := kindOf(g.Kind)
	switch {
	case a.isNetwork() && b.isNetwork():
		return f.To == g.To && meet(f.Target, g.Target)
	case a.isNetwork():
		return b.freezes() && slices.ContainsFunc(g.occupies(), func(t string) bool { return meet(f.Target, t) })
	case b.isNetwork():
		return g.clashes(f)
	}
	return slices.ContainsFunc(f.occupies(), func(t string) bool {
		return slices.ContainsFunc(g.occupies(), func(u string) bool { return meet(t, u) })
	})
}

// End is when the fault's cause is taken away, on the clock of At; At itself for a kind that has no length in the scenario.
func (f Fault) End() Duration {
	if f.Kind == "restart-loop" {
		return f.At + Duration(f.Times)*f.Every
	}
	return f.At + f.For
}
