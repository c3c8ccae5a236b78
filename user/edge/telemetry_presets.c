// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which series mean what, by server. Sources:
 *
 *   vllm                 vllm/v1/metrics/loggers.py. kv_cache_usage_perc is a ratio; gpu_cache_usage_perc was its name up to 0.9.
 *   sglang               sglang/srt/observability/metrics_collector.py. With priorities the total has priority="" and stands beside its
 *                        parts; the ranks of one tensor- or pipeline-parallel group (one dp_rank) each report the same queue.
 *   tensorrt-llm         tensorrt_llm/metrics/collector.py, at /prometheus/metrics (its /metrics is JSON). Dynamo writes trtllm: instead.
 *   triton               triton core/src/metrics.cc: nv_inference_pending_request_count per model, nv_gpu_utilization per GPU.
 *                        nv_inference_exec_count is a counter and no load.
 *   triton-tensorrt-llm  the same server's TensorRT-LLM back end: its own queue, told apart by labels.
 *   tgi                  docs/source/reference/metrics.md. It says nothing of its KV cache.
 *   llama.cpp            tools/server/README.md. kv_cache_usage_ratio was taken out in May 2025 (pull request 13660).
 *   dcgm                 dcgm-exporter/etc/default-counters.csv. Percent; "no value" is a number of 2^31 - 16 or above (dcgm_structs.h:
 *                        DCGM_INT32_BLANK 0x7ffffff0, DCGM_INT64_BLANK 0x7ffffffffffffff0, DCGM_FP64_BLANK 2^47).
 *
 * Where ':' belongs, '_' is seen as well: OpenTelemetry's collector and some proxies write it.
 */
#include "edge/telemetry_presets.h"

#include "base/array.h"

#define WAITING(text) .name = (text), .quantity = TELEMETRY_WAITING, .kind = TELEMETRY_COUNT
#define RUNNING(text) .name = (text), .quantity = TELEMETRY_RUNNING, .kind = TELEMETRY_COUNT
#define USE(text, unit) .name = (text), .quantity = TELEMETRY_USE, .kind = TELEMETRY_##unit
#define FORMER .former = true
#define OPTIONAL .optional = true
#define WITH(name, value) .label = (name), .equals = (value)

static const struct telemetry_series vllm[] = {
	{WAITING("vllm:num_requests_waiting")},		  {RUNNING("vllm:num_requests_running")},
	{USE("vllm:kv_cache_usage_perc", RATIO)},	  {USE("vllm:gpu_cache_usage_perc", RATIO), FORMER},
	{WAITING("vllm_num_requests_waiting"), FORMER},	  {RUNNING("vllm_num_requests_running"), FORMER},
	{USE("vllm_kv_cache_usage_perc", RATIO), FORMER},
};

#define SGLANG_TOTAL WITH("priority", ""), .each = "dp_rank"

static const struct telemetry_series sglang[] = {
	{WAITING("sglang:num_queue_reqs"), SGLANG_TOTAL},
	{RUNNING("sglang:num_running_reqs"), SGLANG_TOTAL},
	{USE("sglang:token_usage", RATIO)},
	{WAITING("sglang_num_queue_reqs"), SGLANG_TOTAL, FORMER},
	{RUNNING("sglang_num_running_reqs"), SGLANG_TOTAL, FORMER},
	{USE("sglang_token_usage", RATIO), FORMER},
};

static const struct telemetry_series tensorrt_llm[] = {
	{WAITING("trtllm_num_requests_waiting")},	  {RUNNING("trtllm_num_requests_running")},
	{USE("trtllm_kv_cache_utilization", RATIO)},	  {WAITING("trtllm:num_requests_waiting"), FORMER},
	{RUNNING("trtllm:num_requests_running"), FORMER}, {USE("trtllm:kv_cache_utilization", RATIO), FORMER},
};

static const struct telemetry_series triton[] = {
	{WAITING("nv_inference_pending_request_count")},
	{USE("nv_gpu_utilization", RATIO), OPTIONAL}, /* on a host without a GPU, or where GPU metrics are off */
};

static const struct telemetry_series triton_tensorrt_llm[] = {
	{WAITING("nv_trt_llm_request_metrics"), WITH("request_type", "waiting")},
	{RUNNING("nv_trt_llm_request_metrics"), WITH("request_type", "scheduled")},
	{USE("nv_trt_llm_kv_cache_block_metrics", RATIO), WITH("kv_cache_block_type", "fraction")},
};

static const struct telemetry_series tgi[] = {
	{WAITING("tgi_queue_size")},
	{RUNNING("tgi_batch_current_size")},
};

static const struct telemetry_series llama_cpp[] = {
	{WAITING("llamacpp:requests_deferred")},
	{RUNNING("llamacpp:requests_processing")},
	{USE("llamacpp:kv_cache_usage_ratio", RATIO), OPTIONAL},
	{WAITING("llamacpp_requests_deferred"), FORMER},
	{RUNNING("llamacpp_requests_processing"), FORMER},
};

static const struct telemetry_series dcgm[] = {
	{USE("DCGM_FI_DEV_GPU_UTIL", PERCENT)},
};

#define PRESET(name, series)                                                                                           \
	{                                                                                                              \
		(name), (series), ARRAY_COUNT(series)                                                                  \
	}

const struct telemetry_preset telemetry_presets[TELEMETRY_PRESETS] = {
	PRESET("vllm", vllm),
	PRESET("sglang", sglang),
	PRESET("tensorrt-llm", tensorrt_llm),
	PRESET("triton", triton),
	PRESET("triton-tensorrt-llm", triton_tensorrt_llm),
	PRESET("tgi", tgi),
	PRESET("llama.cpp", llama_cpp),
	PRESET("dcgm", dcgm),
};
