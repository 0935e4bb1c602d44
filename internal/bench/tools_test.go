package bench

import "testing"

// What Kafka's tools print, as version 4.3.1 does.
func TestRatesOfKafkasTools(t *testing.T) {
	producer := `100000 records sent, 20000.0 records/sec (3.81 MB/sec), 12.0 ms avg latency, 300.00 ms max latency.
500000 records sent, 158000.5 records/sec (30.1 MB/sec), 8.1 ms avg latency, 90.00 ms max latency, 7 ms 50th, 20 ms 95th, 40 ms 99th, 80 ms 99.9th.
`
	if rate, err := producerRate(producer); err != nil || rate != 158000.5 {
		t.Errorf("producer: %v, %v", rate, err)
	}
	consumer := "2026-11-23 20:05:00:000, 2026-11-23 20:05:05:000, 95.3, 19.07, 500000, 100000.0, 3000, 2000, 47.68, 250000.5\n"
	if rate, err := consumerRate(consumer); err != nil || rate != 250000.5 {
		t.Errorf("consumer: %v, %v", rate, err)
	}
	if _, err := producerRate("Exception in thread main"); err == nil {
		t.Error("a producer that failed has a rate")
	}
	if _, err := consumerRate("WARNING: timed out"); err == nil {
		t.Error("a consumer that failed has a rate")
	}
}

func TestFastest(t *testing.T) {
	if got := fastest([]series{{1, 9, 1}, {3, 3, 3}, {2, 2, 2}}); got.median() != 3 {
		t.Errorf("the fastest is %v", got)
	}
}
