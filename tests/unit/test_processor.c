/* SPDX-License-Identifier: MIT */
#include "base/processor.h"

#include "tap.h"

static struct buf info;

static bool kernel_says(const char *flag)
{
	char word[32];

	snprintf(word, sizeof word, " %s ", flag);
	return bytes_find(buf_view(&info), bytes_str(word)) != SIZE_MAX;
}

static void need(bool can, unsigned bit)
{
	CHECK_U64(processor_can() & bit, can ? bit : 0);
}

/* The kernel leaves out what it does not keep the registers of. */
static void it_is_what_the_kernel_says(void)
{
	bool wide = kernel_says("avx512f") && kernel_says("avx512bw") && kernel_says("avx512vl");

	need(true, PROCESSOR_KNOWN);
	need(kernel_says("rdrand"), PROCESSOR_RDRAND);
	need(kernel_says("sha_ni") && kernel_says("sse4_2"), PROCESSOR_SHA);
	need(kernel_says("avx2"), PROCESSOR_AVX2);
	need(wide, PROCESSOR_AVX512);
	need(wide && kernel_says("aes") && kernel_says("vaes") && kernel_says("vpclmulqdq"),
	     PROCESSOR_AES_WIDE);
}

static void it_is_the_same_when_asked_again(void)
{
	CHECK_U64(processor_can(), processor_can());
}

int main(void)
{
	info = tap_file("/proc/cpuinfo");
	RUN_TESTS(TEST(it_is_what_the_kernel_says), TEST(it_is_the_same_when_asked_again));
}
