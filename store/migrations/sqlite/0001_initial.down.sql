DROP TABLE {{prefix}}replay_clock;
DROP TABLE {{prefix}}stream_events;
DROP TABLE {{prefix}}streams;
DROP TABLE {{prefix}}events;
