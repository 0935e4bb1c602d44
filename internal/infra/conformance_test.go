package infra_test

import (
	"testing"
	"time"

	"lkbench/internal/infra"
	"lkbench/internal/infra/infratest"
)

func TestEmbeddedConforms(t *testing.T) {
	infratest.NeedPostgres(t)
	infratest.Conform(t, infratest.Case{Provider: infra.Embedded{}, Crashes: 5, KillHarness: true})
}

// The session is short so that a killed broker is let in again soon; how long it is changes nothing that is examined.
const session = time.Second

func TestLocalConforms(t *testing.T) {
	infratest.NeedJava(t)
	infratest.Conform(t, infratest.Case{Provider: infra.Local{SessionTimeout: session}, KillHarness: true})
}

func TestLocalOfThreeConforms(t *testing.T) {
	infratest.NeedJava(t)
	infratest.Conform(t, infratest.Case{Provider: infra.Local{Brokers: 3, SessionTimeout: session}, KillHarness: true})
}
