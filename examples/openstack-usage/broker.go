package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

// cloud is the other side of the broker: where Nova publishes.
type cloud struct {
	conn     *amqp091.Connection
	ch       *amqp091.Channel
	s        setting
	returned chan amqp091.Return // what no queue has taken of a portion
}

func openCloud(s setting) (*cloud, error) {
	conn, err := amqp091.Dial(s.rabbitmq)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	returned := ch.NotifyReturn(make(chan amqp091.Return, portion))
	return &cloud{conn, ch, s, returned}, nil
}

// portion is how many messages are published before their confirms are waited for.
const portion = 1000

// publish publishes and waits until the broker has everything.
func (c *cloud) publish(ctx context.Context, deliveries []delivery) error {
	for part := range slices.Chunk(deliveries, portion) {
		if err := c.publishPortion(ctx, part); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

func (c *cloud) publishPortion(ctx context.Context, deliveries []delivery) (err error) {
	confirms := make([]*amqp091.DeferredConfirmation, len(deliveries))
	for i, d := range deliveries {
		confirms[i], err = c.ch.PublishWithDeferredConfirmWithContext(ctx, c.s.exchange(), d.key, true, false, amqp091.Publishing{
			ContentType: "application/json", DeliveryMode: amqp091.Persistent, Body: d.body,
		})
		if err != nil {
			return err
		}
	}
	for _, confirm := range confirms {
		if ok, err := confirm.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errors.New("a notification was not confirmed"), err)
		}
	}
	if n := len(c.returned); n > 0 { // they come before their confirms
		return fmt.Errorf("no queue has taken %d of the notifications", n)
	}
	return nil
}

// end publishes to the queue of the verdicts that there will be no more.
func (c *cloud) end(ctx context.Context) error {
	confirm, err := c.ch.PublishWithDeferredConfirmWithContext(ctx, "", c.s.verdicts(), true, false, amqp091.Publishing{
		DeliveryMode: amqp091.Persistent, Body: encode(fields{"event_type": endOfVerdicts}),
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	_, err = confirm.WaitContext(ctx)
	return err
}

// waiting tells how many messages are in a queue that no consumer has been given.
func (c *cloud) waiting(queue string) (int, error) {
	q, err := c.ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	return q.Messages, err
}

// tidy deletes what a run has declared, and closes the connection.
func (c *cloud) tidy() error {
	var faults []error
	for _, queue := range []string{c.s.queue(), c.s.dead(), c.s.verdicts()} {
		_, err := c.ch.QueueDelete(queue, false, false, false)
		faults = append(faults, err)
	}
	for _, exchange := range []string{c.s.exchange(), c.s.dead(), c.s.verdicts()} {
		faults = append(faults, c.ch.ExchangeDelete(exchange, false, false))
	}
	return errors.Join(append(faults, c.conn.Close())...)
}
