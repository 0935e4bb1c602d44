package infra

import "github.com/twmb/franz-go/pkg/kfake"

// BrokerOptions are the settings of a broker that keeps its log in dir and listens on a loopback port; 0 takes a free one.
func BrokerOptions(dir string, port int) []kfake.Opt {
	return []kfake.Opt{
		kfake.Ports(port),
		kfake.DataDir(dir),
	}
}
