/* SPDX-License-Identifier: MIT
 *
 * kafka_mock BROKERS TOPIC PARTITIONS: librdkafka's own mock cluster. Prints its addresses, then
 * does what stands on standard input, a line each, and answers "ok" or what was asked for, until
 * the input ends:
 *
 *	fail API CODE...   the next requests of that kind get these error codes (0: none)
 *	rtt BROKER MS      each answer of that broker takes so long
 *	down BROKER        nobody is there
 *	up BROKER
 *	read               all messages, as a consumer finds them: one JSON object a line, in the
 *order of their partitions and offsets, then "end"
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODES_MAX 64
#define READ_MS   20000

static rd_kafka_mock_cluster_t *cluster;
static const char *topic;
static int partitions;

static void need(int fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "kafka_mock: %s\n", what);
	exit(2);
}

static rd_kafka_conf_t *settings(const char *name, const char *value)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	need(!rd_kafka_conf_set(conf, name, value, NULL, 0), name);
	return conf;
}

/* ---- reading ---- */

static void put_text(const void *at, size_t len)
{
	const unsigned char *c = at;

	putchar('"');
	for (size_t i = 0; i < len; i++) {
		if (c[i] < ' ' || c[i] == '"' || c[i] == '\\')
			printf("\\u%04x", c[i]);
		else
			putchar(c[i]);
	}
	putchar('"');
}

static void put_header(const rd_kafka_message_t *m, const char *name)
{
	rd_kafka_headers_t *headers = NULL;
	const void *value = NULL;
	size_t len = 0;

	if (!rd_kafka_message_headers(m, &headers))
		(void)rd_kafka_header_get_last(headers, name, &value, &len);
	printf(",\"%s\":", name);
	put_text(value, len);
}

static void put_message(const rd_kafka_message_t *m)
{
	printf("{\"partition\":%d,\"offset\":%lld,\"time_ms\":%lld,\"key\":", m->partition,
	       (long long)m->offset, (long long)rd_kafka_message_timestamp(m, NULL));
	put_text(m->key, m->key_len);
	put_header(m, "id");
	put_header(m, "kind");
	printf(",\"value\":%.*s}\n", (int)m->len, (const char *)m->payload);
}

/* Up to the end of one partition. */
static void read_partition(rd_kafka_t *consumer, int partition)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset =
		RD_KAFKA_OFFSET_BEGINNING;
	need(!rd_kafka_assign(consumer, list), "assign");
	rd_kafka_topic_partition_list_destroy(list);
	for (;;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, READ_MS);
		need(m != NULL, "nothing to read");
		rd_kafka_resp_err_t error = m->err;
		if (!error)
			put_message(m);
		rd_kafka_message_destroy(m);
		if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			return;
		need(!error, rd_kafka_err2str(error));
	}
}

static void read_all(void)
{
	rd_kafka_conf_t *conf = settings("bootstrap.servers",
					 rd_kafka_mock_cluster_bootstraps(cluster));
	char why[200];

	need(!rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0) &&
		     !rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0) &&
		     !rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0) &&
		     !rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0),
	     "consumer's settings");
	rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
	need(consumer != NULL, why);
	for (int i = 0; i < partitions; i++)
		read_partition(consumer, i);
	rd_kafka_destroy(consumer);
	puts("end");
}

/* ---- doing ---- */

static int word(char **rest)
{
	char *w = strsep(rest, " \n");

	return w && *w ? atoi(w) : -1;
}

static void push_errors(char *rest)
{
	rd_kafka_resp_err_t codes[CODES_MAX];
	int api = word(&rest), code;
	size_t count = 0;

	while (count < CODES_MAX && (code = word(&rest)) >= 0)
		codes[count++] = (rd_kafka_resp_err_t)code;
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)api, count, codes);
}

static void run(char *line)
{
	char *rest = line, *verb = strsep(&rest, " \n");
	int broker;

	if (strcmp(verb, "read") == 0) {
		read_all();
		return;
	}
	if (strcmp(verb, "fail") == 0) {
		push_errors(rest);
	} else {
		broker = word(&rest);
		if (strcmp(verb, "rtt") == 0)
			need(!rd_kafka_mock_broker_set_rtt(cluster, broker, word(&rest)), verb);
		else if (strcmp(verb, "down") == 0)
			need(!rd_kafka_mock_broker_set_down(cluster, broker), verb);
		else if (strcmp(verb, "up") == 0)
			need(!rd_kafka_mock_broker_set_up(cluster, broker), verb);
		else
			need(0, verb);
	}
	puts("ok");
}

int main(int argc, char **argv)
{
	char line[1000], why[200];
	rd_kafka_t *owner;

	need(argc == 4, "usage: kafka_mock BROKERS TOPIC PARTITIONS");
	topic = argv[2];
	partitions = atoi(argv[3]);
	owner = rd_kafka_new(RD_KAFKA_PRODUCER, settings("client.id", "mock"), why, sizeof why);
	need(owner != NULL, why);
	cluster = rd_kafka_mock_cluster_new(owner, atoi(argv[1]));
	need(cluster != NULL, "no cluster");
	need(!rd_kafka_mock_topic_create(cluster, topic, partitions, 1), "no topic");
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts(rd_kafka_mock_cluster_bootstraps(cluster));
	while (fgets(line, sizeof line, stdin))
		run(line);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(owner);
	return 0;
}
