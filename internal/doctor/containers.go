package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// leastEngineMemory is what Kafka (0.7 GB) and PostgreSQL take in a run, with room.
const leastEngineMemory = 2 << 30

// containers is the docker provider: an engine and two images.
func containers(h *heard, p Probes) []Check {
	checks := []Check{engineCheck(h, p)}
	for i, image := range p.Images {
		checks = append(checks, imageCheck(image, h.engine.err, h.images[i]))
	}
	return checks
}

func engineCheck(h *heard, p Probes) Check {
	if h.engine.err != nil {
		return noEngine(h, p)
	}
	e := h.engine.value
	c := Check{Name: "engine", Status: OK,
		Found:    fmt.Sprintf("Docker Engine %s (API %s) on %s, %d CPUs, %s, at %s", e.Version, e.API, e.OS, e.CPUs, bytes(e.Memory), e.Host),
		Measured: map[string]float64{"cpus": float64(e.CPUs), "memory_bytes": float64(e.Memory)},
	}
	switch {
	case e.Memory > 0 && e.Memory < leastEngineMemory:
		c.Status, c.Do = Warning, "give the engine's virtual machine at least "+bytes(leastEngineMemory)
	case e.CPUs > 0 && e.CPUs < p.CPUs:
		c.Status, c.Do = Warning, fmt.Sprintf("give the engine's virtual machine all %d CPUs, or compare its runs with no others", p.CPUs)
	}
	return c
}

// noEngine tells an engine that is not installed from one that does not run and one that this user may not use.
func noEngine(h *heard, p Probes) Check {
	programs := h.docker.value
	do := p.Install.Docker
	switch {
	case errors.Is(h.engine.err, fs.ErrPermission):
		do = "sudo usermod -aG docker $USER, then log in again"
	case programs.Daemon != "":
		do = p.Install.StartDocker
	}
	c := failed("engine", h.engine.err, do)
	// The error ends with what to do in general; here is known what fits.
	if general := strings.LastIndex(c.Found, "; "); c.Status == Missing && general > 0 {
		c.Found = c.Found[:general]
	}
	if c.Status == Missing && programs.Client != "" {
		c.Found = fmt.Sprintf("Docker's client is here (%s), but %s", programs.Client, c.Found)
	}
	return c
}

func imageCheck(image Image, engine error, here answer[bool]) Check {
	c := Check{Name: image.Check, Status: OK, Found: image.Name + " is here"}
	switch {
	case engine != nil:
		c.Status, c.Found = NotChecked, image.Name+": no engine to ask"
	case here.err != nil:
		return failed(c.Name, here.err, "docker image inspect "+image.Name+" tells more")
	case !here.value:
		c.Status, c.Found = ToFetch, image.Name+" is not here and will be pulled at the first use"
		c.Do = fmt.Sprintf("docker pull %s does it now; where no registry can be reached, make images (in lkbench's source) builds it", image.Name)
	}
	return c
}
