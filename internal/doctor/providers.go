package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// listen asks all probes of providers at once.
func listen(ctx context.Context, limit time.Duration, p Probes) *heard {
	h := &heard{images: make([]answer[bool], len(p.Images))}
	var all sync.WaitGroup
	all.Go(func() { h.java = ask(ctx, limit, p.Java) })
	all.Go(func() { h.maven = ask(ctx, limit, p.Maven) })
	all.Go(func() { h.kafkaCached = ask(ctx, limit, p.KafkaCached) })
	all.Go(func() { h.postgresCached = ask(ctx, limit, p.PostgresCached) })
	all.Go(func() { h.docker = ask(ctx, limit, p.Docker) })
	all.Go(func() { h.engine = ask(ctx, limit, p.Engine) })
	for i, image := range p.Images {
		all.Go(func() { h.images[i] = ask(ctx, limit, image.Here) })
	}
	for _, server := range []struct {
		probe  func(context.Context) (Reached, error)
		answer **answer[Reached]
	}{{p.Kafka, &h.kafka}, {p.Postgres, &h.postgres}} {
		if server.probe != nil {
			all.Go(func() { a := ask(ctx, limit, server.probe); *server.answer = &a })
		}
	}
	all.Wait()
	return h
}

// failed is the check of a probe that gave an error: missing, with what brings it; unknown if it came too late.
func failed(name string, err error, do string) Check {
	if _, timeout := err.(late); timeout {
		return Check{Name: name, Status: Unknown, Found: err.Error()}
	}
	found := err.Error()
	// Where the error itself names the command, all from there on is what to do.
	before, _, names := strings.Cut(found, do)
	if stem := strings.TrimRight(before, " :;"); do != "" && names && len(stem) < len(strings.TrimRight(before, " ")) &&
		strings.Count(stem, "(") == strings.Count(stem, ")") {
		found, do = stem, found[len(before):]
	}
	return Check{Name: name, Status: Missing, Found: found, Do: do}
}

func embedded(h *heard, p Probes) []Check {
	return []Check{
		{Name: "kafka", Status: OK, Found: p.Kfake + ", part of this program"},
		cachedPostgres(h.postgresCached, p),
	}
}

func cachedPostgres(a answer[Cached], p Probes) Check {
	const name = "postgresql"
	switch {
	case a.err != nil:
		return failed(name, a.err, p.Install.Postgres)
	case a.value.Here:
		return Check{Name: name, Status: OK, Found: fmt.Sprintf("PostgreSQL %s in %s", a.value.Version, a.value.Dir)}
	}
	return Check{Name: name, Status: ToFetch,
		Found: fmt.Sprintf("PostgreSQL %s (15 MB) will be fetched from %s at the first use, into %s", a.value.Version, p.PostgresFrom, a.value.Dir),
		Do:    "nothing, with access to the network; without it set LKBENCH_POSTGRES_BIN to the directory of an installed PostgreSQL's programs"}
}

// local is Kafka's own programs under Java. Maven is needed once, to fetch them.
func local(h *heard, p Probes) []Check {
	checks := []Check{}
	if h.java.err != nil {
		checks = append(checks, failed("java", h.java.err, p.Install.Java))
	} else {
		checks = append(checks, Check{Name: "java", Status: OK, Found: fmt.Sprintf("Java %s, %s", h.java.value.Version, h.java.value.Path)})
	}
	return append(append(checks, kafkaChecks(h, p)...), cachedPostgres(h.postgresCached, p))
}

// kafkaChecks are about Kafka's jars and Maven, which is needed only while they are not here.
func kafkaChecks(h *heard, p Probes) []Check {
	kafka := h.kafkaCached
	maven := Check{Name: "maven", Status: OK, Found: fmt.Sprintf("Maven %s, %s", h.maven.value.Version, h.maven.value.Path)}
	fetches := h.maven.err == nil
	switch {
	case h.maven.err == nil:
	case kafka.err == nil && kafka.value.Here:
		maven.Found = "none works here, and none is needed: Kafka has been fetched"
	case h.java.err != nil && h.maven.value.Path != "": // whatever it says, it is for want of Java
		maven.Status, maven.Found = NotChecked, h.maven.value.Path+" is here; it needs Java"
		fetches = true
	default:
		maven = failed("maven", h.maven.err, p.Install.Maven)
	}
	switch {
	case kafka.err != nil:
		return []Check{maven, failed("kafka", kafka.err, p.Install.Kafka)}
	case kafka.value.Here:
		return []Check{maven, {Name: "kafka", Status: OK, Found: fmt.Sprintf("Apache Kafka %s in %s", kafka.value.Version, kafka.value.Dir)}}
	case !fetches:
		return []Check{maven, {Name: "kafka", Status: maven.Status,
			Found: fmt.Sprintf("Apache Kafka %s has not been fetched, and no Maven fetches it", kafka.value.Version),
			Do:    "see maven; or set LKBENCH_KAFKA_LIBS to a directory with Kafka's jars"}}
	}
	return []Check{maven, {Name: "kafka", Status: ToFetch,
		Found: fmt.Sprintf("Apache Kafka %s (54 MB) will be fetched by Maven at the first use, into %s", kafka.value.Version, kafka.value.Dir),
		Do:    "nothing, with access to Maven Central or a mirror of it; without it set LKBENCH_KAFKA_LIBS to a directory with Kafka's jars"}}
}

// elsewhere is the external provider: servers that the user names. What blocks servers of ours blocks it too, but for the ports.
func elsewhere(h *heard, blocked []Check) []Check {
	if h.kafka == nil && h.postgres == nil {
		return []Check{{Name: "addresses", Status: NotChecked, Found: "no addresses given",
			Do: "name them with --kafka (or --kafka-config) and --postgres, or with LKBENCH_KAFKA (or LKBENCH_KAFKA_CONFIG) and LKBENCH_POSTGRES"}}
	}
	checks := []Check{
		reached("kafka", h.kafka, "name it with --kafka or --kafka-config, or with LKBENCH_KAFKA or LKBENCH_KAFKA_CONFIG"),
		reached("postgresql", h.postgres, "name it with --postgres or LKBENCH_POSTGRES"),
	}
	for _, c := range blocked {
		if c.Name != portsName {
			checks = append(checks, c)
		}
	}
	return checks
}

func reached(name string, a *answer[Reached], naming string) Check {
	switch {
	case a == nil:
		return Check{Name: name, Status: Missing, Found: "no address given", Do: naming}
	case a.err != nil:
		return failed(name, a.err, "correct what was named or the server behind it, as the error says")
	}
	found := fmt.Sprintf("%s at %s", a.value.Version, a.value.Address)
	check := Check{Name: name, Status: OK, Found: found}
	for _, note := range a.value.Notes {
		check.Status, check.Found = Warning, check.Found+"; "+note
	}
	for _, lack := range a.value.Lacks {
		check.Status, check.Found = Missing, check.Found+"; "+lack
		check.Do = "give its user these rights, or name another user"
	}
	return check
}
