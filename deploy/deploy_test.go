package deploy

import (
	"regexp"
	"testing"
)

// What is written on the screen must be what Maven fetches.
func TestKafkaVersionIsThePOMs(t *testing.T) {
	found := regexp.MustCompile(`<kafka\.version>([^<]+)</kafka\.version>`).FindSubmatch(KafkaPOM)
	if found == nil || string(found[1]) != KafkaVersion {
		t.Errorf("the pom pins %s, KafkaVersion is %s", found, KafkaVersion)
	}
}

// A version that is not pinned would make two machines run different programs.
func TestEveryDependencyIsPinned(t *testing.T) {
	names := regexp.MustCompile(`<artifactId>([^<]+)</artifactId>`).FindAllSubmatch(KafkaPOM, -1)
	versions := regexp.MustCompile(`<version>[^<\[,]+</version>`).FindAll(KafkaPOM, -1)
	if len(names) < 5 || len(names) != len(versions) {
		t.Errorf("%d names of artifacts and %d fixed versions", len(names), len(versions))
	}
}
