DROP TABLE {{tables}}replay_clock;
DROP TABLE {{tables}}stream_events;
DROP TABLE {{tables}}streams;
DROP TABLE {{tables}}events;
