package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"

	"lkbench/internal/network"
	"lkbench/scenarios"
)

// The targets that are not roles of components.
const (
	targetAll      = "all"
	targetRandom   = "random"
	targetBroker   = "broker"
	targetDatabase = "database"
	targetServing  = "serving" // in both architectures PostgreSQL's views
)

// Site is what faults are to be done to and with: known before anything is started.
type Site struct {
	Arch       string
	Components []SiteComponent
	Infra      string // the provider's name
	Brokers    int    // of our own; 0 for servers of somebody else
	Root       bool   // this process may do everything
	Linux      bool
	// NoMemoryLimit and NoDiskLimit say why there are no control groups for them here; "" where there are.
	NoMemoryLimit, NoDiskLimit string
}

// SiteComponent is a component of the architecture.
type SiteComponent struct {
	Name     string
	Roles    []string
	OnDemand bool
	Kafka    bool // it talks to Kafka; all of them talk to PostgreSQL
}

// Here is a site with what this machine allows, found out by doing it. The rest is the caller's to fill in.
func Here() Site {
	return Site{
		Root: os.Geteuid() == 0, Linux: runtime.GOOS == "linux",
		NoMemoryLimit: noGroup(memoryController), NoDiskLimit: noGroup(diskController),
	}
}

func noGroup(c controller) string {
	g, err := newGroup("/", c, "try")
	if err == nil {
		err = g.remove()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// Members are the names of the components and servers behind the name of a target; none if there is no such target. Of random
// they are all that may be drawn.
func (s Site) Members(target string) []string {
	var found []string
	for _, c := range s.Components {
		switch {
		case (target == targetAll || target == targetRandom) && c.OnDemand: // it may not be there
		case target == targetRandom, target == targetAll, target == c.Name, slices.Contains(c.Roles, target):
			found = append(found, c.Name)
		}
	}
	for _, server := range s.servers() {
		role, _, _ := strings.Cut(server, "-")
		if target == server || target == role || target == targetServing && server == targetDatabase {
			found = append(found, server)
		}
	}
	return found
}

// reaching leaves of some components those that have connections to the far side of a network fault; all of them for "".
func (s Site) reaching(to string, members []string) []string {
	if to != network.Kafka {
		return members
	}
	return slices.DeleteFunc(members, func(name string) bool {
		return slices.ContainsFunc(s.Components, func(c SiteComponent) bool { return c.Name == name && !c.Kafka })
	})
}

// servers are the names of our own servers.
func (s Site) servers() []string {
	switch s.Brokers {
	case 0:
		return nil
	case 1:
		return []string{targetBroker, targetDatabase}
	}
	var all []string
	for n := range s.Brokers {
		all = append(all, fmt.Sprintf("%s-%d", targetBroker, n+1))
	}
	return append(all, targetDatabase)
}

// Touches are the names of the components and servers that a fault is done to.
func (s Site) Touches(f scenarios.Fault) []string {
	switch {
	case slices.Contains(databaseKinds, f.Kind):
		return []string{targetDatabase}
	case f.Kind == KindTopicFull:
		return append(s.Members(targetBroker), s.Members(streams)...)
	case slices.Contains(kafkaKinds, f.Kind):
		return s.Members(targetBroker)
	}
	return s.Members(f.Target)
}

// Targets are all names that a target may have here: roles first, then components and servers by name.
func (s Site) Targets() []string {
	var roles, names []string
	for _, c := range s.Components {
		roles, names = append(roles, c.Roles...), append(names, c.Name)
	}
	roles = append(roles, targetAll, targetRandom)
	if s.Brokers > 0 {
		roles, names = append(roles, targetBroker, targetServing), append(names, s.servers()...)
	}
	slices.Sort(roles)
	var all []string
	for _, name := range append(roles, names...) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// Resolve gives a random target the name of one component. The same seed and index give the same one.
func Resolve(f scenarios.Fault, site Site, seed uint64, index int) scenarios.Fault {
	if f.Target != targetRandom {
		return f
	}
	if members := site.reaching(f.To, site.Members(targetRandom)); len(members) > 0 {
		f.Target = members[rand.New(rand.NewPCG(seed, uint64(index))).IntN(len(members))]
	}
	return f
}
