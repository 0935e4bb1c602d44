package fault

import (
	"fmt"
	"slices"
	"strings"

	"lkbench/scenarios"
)

// The names of the providers whose servers are processes of ours, and of the one whose servers are containers.
const (
	infraEmbedded = "embedded"
	infraLocal    = "local"
	infraDocker   = "docker"
)

// Check says before anything is started why a fault cannot be done at a site: the architecture has no such target, or the
// infrastructure or the machine cannot. The error names what there is, or which infrastructure can.
func Check(f scenarios.Fault, site Site) error {
	var err error
	switch {
	case slices.Contains(processKinds, f.Kind), slices.Contains(networkKinds, f.Kind):
		err = checkTarget(f, site)
	case slices.Contains(databaseKinds, f.Kind):
		if err = checkFixed(f.Target, targetDatabase, targetServing); err == nil {
			err = checkDatabase(f.Kind, site)
		}
	case slices.Contains(kafkaKinds, f.Kind):
		if err = checkFixed(f.Target, targetBroker); err == nil {
			err = checkKafka(f.Kind, site)
		}
	default:
		return unknownKind(f.Kind)
	}
	if err != nil {
		return fmt.Errorf("fault %s: %w", f.Kind, err)
	}
	return nil
}

// checkTarget is for kinds that can be done to what scenarios name as target.
func checkTarget(f scenarios.Fault, site Site) error {
	members := site.Members(f.Target)
	if len(members) == 0 {
		if site.Brokers == 0 && (strings.HasPrefix(f.Target, targetBroker) || f.Target == targetDatabase || f.Target == targetServing) {
			return fmt.Errorf("target %s is a server of somebody else: --infra=%s, %s and %s have their own", f.Target, infraEmbedded, infraLocal, infraDocker)
		}
		return fmt.Errorf("%s has no target %q: expected one of %s", site.Arch, f.Target, strings.Join(site.Targets(), ", "))
	}
	if servers := site.servers(); slices.ContainsFunc(members, func(m string) bool { return slices.Contains(servers, m) }) {
		switch {
		case f.Kind == KindZombie || slices.Contains(networkKinds, f.Kind):
			return fmt.Errorf("target %s is a server: expected a component of %s, one of %s", f.Target, site.Arch, strings.Join(site.componentNames(), ", "))
		case (f.Kind == KindCPU || f.Kind == KindMemory) && site.Infra == infraDocker:
			return fmt.Errorf("target %s is a container: --infra=%s and %s run it as a process", f.Target, infraEmbedded, infraLocal)
		}
	}
	if slices.Contains(networkKinds, f.Kind) && len(site.reaching(f.To, members)) == 0 {
		return fmt.Errorf("%s has no connection to %s: expected one of %s", f.Target, f.To, strings.Join(site.reaching(f.To, site.componentNames()), ", "))
	}
	if f.Kind == KindMemory && site.NoMemoryLimit != "" {
		return fmt.Errorf("it needs a Linux machine where lkbench may make control groups, as root can: %s", site.NoMemoryLimit)
	}
	return nil
}

// checkFixed is for kinds that know themselves what they are done to.
func checkFixed(target string, expected ...string) error {
	if target == "" || slices.Contains(expected, target) {
		return nil
	}
	return fmt.Errorf("target %q: it is done to the %s; expected no target, or %s", target, expected[0], strings.Join(expected, " or "))
}

func checkDatabase(kind string, site Site) error {
	disk := kind == KindDiskFull || kind == KindDiskSlow
	switch {
	case !disk && kind != KindConnections:
		return nil // a session of the run's own user does it
	case kind == KindConnections && site.Brokers == 0:
		return fmt.Errorf("it would shut the database's other users out: --infra=%s, %s and %s have a database of their own", infraEmbedded, infraLocal, infraDocker)
	case disk && (site.Brokers == 0 || site.Infra == infraDocker):
		return fmt.Errorf("--infra=%s has no disk for the database that could be taken: --infra=%s and %s have, as root on Linux", site.Infra, infraEmbedded, infraLocal)
	case disk && !(site.Linux && site.Root):
		return fmt.Errorf("it needs a disk for the database alone, or a limit on its disk: run lkbench as root on Linux")
	case kind == KindDiskSlow && site.NoDiskLimit != "":
		return fmt.Errorf("it needs control groups for disks: %s", site.NoDiskLimit)
	}
	return nil
}

func checkKafka(kind string, site Site) error {
	switch {
	case kind == KindLeaderMove && site.Brokers < 2:
		return fmt.Errorf("it needs more brokers of the run's own than one: --infra=%s or %s with --brokers=3", infraLocal, infraDocker)
	case kind == KindTopicFull && len(site.Members(streams)) == 0:
		return fmt.Errorf("%s has no component of role %s that could be behind", site.Arch, streams)
	}
	return nil
}

func (s Site) componentNames() []string {
	names := make([]string, len(s.Components))
	for i, c := range s.Components {
		names[i] = c.Name
	}
	return names
}

// Disk is the size in bytes of the disk that the database must be given for these faults; 0 for none. The fault disk-slow needs
// a disk that can be slow, which is not the one in memory that disk-full fills: they cannot be in one run.
func Disk(faults []scenarios.Fault) (int64, error) {
	has := func(kind string) bool {
		return slices.ContainsFunc(faults, func(f scenarios.Fault) bool { return f.Kind == kind })
	}
	switch {
	case has(KindDiskFull) && has(KindDiskSlow):
		return 0, fmt.Errorf("faults %s and %s cannot be in one run: the first gives the database a disk in memory, which is never slow", KindDiskFull, KindDiskSlow)
	case has(KindDiskFull):
		return DatabaseDisk, nil
	}
	return 0, nil
}
