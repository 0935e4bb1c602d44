package infra

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lkbench/internal/kafka"
)

// admit makes the users of SCRAM and the rules, and waits until every broker knows them and lets the client in.
func (c *cluster) admit(ctx context.Context) error {
	scram := c.secure.scramUsers()
	rules := c.secure.rules()
	if err := c.tellSecurity(ctx, scram, rules); err != nil {
		return fmt.Errorf("make the users and rules of the secured Kafka: %w", err)
	}
	for _, n := range c.nodes {
		err := c.until(ctx, "know users and rules", func(ctx context.Context) error { return c.knows(ctx, n, len(scram), len(rules)) })
		if err != nil {
			return err
		}
		err = c.until(ctx, "let the client in", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, answerTimeout)
			defer cancel()
			client := c.secure.Client
			client.Brokers = []string{address(n.client)}
			_, err := askBroker(ctx, client, kmsg.NewPtrMetadataRequest())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scramUsers are the users with their passwords, for each mechanism that the brokers keep users of.
func (s *Secure) scramUsers() []kadm.UpsertSCRAM {
	var all []kadm.UpsertSCRAM
	for _, mechanism := range s.Mechanisms {
		number := kadm.ScramSha256
		switch mechanism {
		case kafka.Plain:
			continue
		case kafka.ScramSHA512:
			number = kadm.ScramSha512
		}
		for _, u := range s.Users {
			all = append(all, kadm.UpsertSCRAM{User: u.Name, Mechanism: number, Iterations: scramRounds, Password: string(u.Password)})
		}
	}
	return all
}

// rules are what Allow says, in Kafka's terms.
func (s *Secure) rules() []kmsg.CreateACLsRequestCreation {
	var all []kmsg.CreateACLsRequestCreation
	for _, a := range s.Allow {
		for _, operation := range a.Operations {
			rule := kmsg.NewCreateACLsRequestCreation()
			rule.ResourceType, rule.ResourceName, rule.ResourcePatternType = a.Resource, a.Name, kmsg.ACLResourcePatternTypeLiteral
			if a.Prefixed {
				rule.ResourcePatternType = kmsg.ACLResourcePatternTypePrefixed
			}
			rule.Principal, rule.Host = "User:"+a.User, "*"
			rule.Operation, rule.PermissionType = operation, kmsg.ACLPermissionTypeAllow
			all = append(all, rule)
		}
	}
	return all
}

// tellSecurity has the brokers store users and rules.
func (c *cluster) tellSecurity(ctx context.Context, scram []kadm.UpsertSCRAM, rules []kmsg.CreateACLsRequestCreation) error {
	client, err := c.access(c.nodes...).NewClient()
	if err != nil {
		return err
	}
	defer client.Close()
	for _, one := range scram { // a request may name a user only once
		altered, err := kadm.NewClient(client).AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{one})
		if err == nil {
			err = altered.Error()
		}
		if err != nil {
			return err
		}
	}
	if len(rules) == 0 {
		return nil
	}
	request := kmsg.NewPtrCreateACLsRequest()
	request.Creations = rules
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for i, result := range answer.Results {
		if result.ErrorCode != 0 {
			message := ""
			if result.ErrorMessage != nil {
				message = *result.ErrorMessage
			}
			return fmt.Errorf("allow %s to %s %s %s: error %d: %s", rules[i].Principal,
				strings.ToLower(rules[i].Operation.String()), strings.ToLower(rules[i].ResourceType.String()), rules[i].ResourceName, result.ErrorCode, message)
		}
	}
	return nil
}

// knows is nil when a broker has heard of as many passwords and rules.
func (c *cluster) knows(ctx context.Context, n node, passwords, rules int) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if passwords > 0 {
		answer, err := askBroker(ctx, c.access(n), kmsg.NewPtrDescribeUserSCRAMCredentialsRequest())
		if err != nil {
			return err
		}
		got := 0
		for _, user := range answer.(*kmsg.DescribeUserSCRAMCredentialsResponse).Results {
			got += len(user.CredentialInfos)
		}
		if got < passwords {
			return fmt.Errorf("the %s knows %d of %d passwords", n.role, got, passwords)
		}
	}
	if rules == 0 {
		return nil
	}
	request := kmsg.NewPtrDescribeACLsRequest()
	request.ResourceType, request.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	request.Operation, request.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	answer, err := askBroker(ctx, c.access(n), request)
	if err != nil {
		return err
	}
	got := 0
	for _, resource := range answer.(*kmsg.DescribeACLsResponse).Resources {
		got += len(resource.ACLs)
	}
	if got < rules {
		return fmt.Errorf("the %s knows %d of %d rules", n.role, got, rules)
	}
	return nil
}
