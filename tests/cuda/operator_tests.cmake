# The tests of operators that run on a CUDA device as they do on the CPU.
set(ops ${PROJECT_SOURCE_DIR}/tests/ops)
set(operator_tests
  ${ops}/attention_steps_test.cc
  ${ops}/compress_test.cc
  ${ops}/device_test.cc
  ${ops}/draft_head_test.cc
  ${ops}/embed_test.cc
  ${ops}/hc_head_test.cc
  ${ops}/head_test.cc
  ${ops}/in_proj_test.cc
  ${ops}/indexer_q_test.cc
  ${ops}/indexer_score_test.cc
  ${ops}/linear_test.cc
  ${ops}/mhc_boundary_test.cc
  ${ops}/moe_test.cc
  ${ops}/q_up_test.cc
  ${ops}/qkv_post_test.cc
  ${ops}/router_test.cc
  ${ops}/sample_test.cc
  ${ops}/sparse_attn_test.cc
  ${ops}/state_test.cc
  ${ops}/step_plan_test.cc
  ${ops}/topk_select_test.cc
  ${ops}/wo_a_test.cc
  ${PROJECT_SOURCE_DIR}/tests/cuda/test_entry.cc)
