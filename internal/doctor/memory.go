package doctor

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
)

const (
	// enoughMemory: three brokers of Kafka take 2 GB, PostgreSQL and the components 1 GB.
	enoughMemory = 3 << 30
	// someSwap: less of it is what the kernel puts away of sleepers in quiet hours.
	someSwap = 64 << 20
)

// memoryCheck judges the memory that runs can take: what is available, or less if a control group limits it.
func memoryCheck(root fs.FS, total, available uint64) Check {
	limit, dir := uint64(0), ""
	for _, d := range controlGroups(root, "memory") {
		for _, file := range []string{"/memory.max", "/memory.limit_in_bytes"} {
			// Without a limit version 2 says "max" and version 1 a number beyond all memory.
			if l, err := strconv.ParseUint(line(root, d+file), 10, 64); err == nil && l < total && (limit == 0 || l < limit) {
				limit, dir = l, d
			}
		}
	}
	c := Check{Name: "memory", Status: OK, Found: fmt.Sprintf("%s of %s available", bytes(available), bytes(total)),
		Measured: map[string]float64{"total_bytes": float64(total), "available_bytes": float64(available)}}
	if limit > 0 {
		c.Found += fmt.Sprintf("; limited to %s by the control group /%s", bytes(limit), dir)
		c.Measured["limit_bytes"] = float64(limit)
		available = min(available, limit)
	}
	if available < enoughMemory {
		c.Status, c.Do = Warning, fmt.Sprintf("have %s free: end what holds memory, or raise the limit; with less use --infra=embedded", bytes(uint64(enoughMemory)))
	}
	return c
}

func swapCheck(total, used uint64) Check {
	c := Check{Name: "swap", Status: OK, Found: fmt.Sprintf("%s of %s in use", bytes(used), bytes(total)),
		Measured: map[string]float64{"total_bytes": float64(total), "used_bytes": float64(used)}}
	if total == 0 {
		c.Found = "none"
	}
	if used > someSwap {
		c.Status, c.Do = Warning, "what was swapped out stalls when it is touched: end what needs the memory, then sudo swapoff -a && sudo swapon -a"
	}
	return c
}

// bytes writes a size in the unit that suits it.
func bytes[T uint64 | int64 | int](n T) string {
	const unit = 1024
	size, name := float64(n), "B"
	for _, larger := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < unit {
			break
		}
		size, name = size/unit, larger
	}
	if size < 10 {
		return strconv.FormatFloat(math.Round(size*10)/10, 'f', -1, 64) + " " + name
	}
	return fmt.Sprintf("%.0f %s", size, name)
}
