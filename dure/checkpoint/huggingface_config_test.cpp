#include "dure/checkpoint/huggingface_config.h"

#include <gmock/gmock.h>

#include "dure/base/files.h"
#include "dure/checkpoint/scratch_folder.h"
#include "dure/model/config.h"
#include "dure/model/llama/llama.h"

namespace dure::checkpoint {
namespace {

using testing::HasSubstr;

const Path kGolden = "tests/golden";

TEST(HuggingFaceConfig, ReadsTheFixtures) {
  const auto config_of = [](const char* name) {
    const Path path = kGolden / name / "config.json";
    return config_from_huggingface(read_file(path), name);
  };
  const model::ModelConfig gpt = config_of("gpt2");
  EXPECT_EQ(gpt.family, &model::kGpt);
  EXPECT_EQ(gpt.ffn_hidden, 128);
  EXPECT_EQ(gpt.max_sequence, 32);
  EXPECT_TRUE(gpt.tie_embeddings);
  const model::ModelConfig llama = config_of("llama");
  EXPECT_EQ(llama.family, &model::kLlama);
  EXPECT_EQ(llama.kv_heads, 2);
  EXPECT_EQ(llama.ffn_hidden, 56);
  EXPECT_EQ(llama.norm, &nn::kRmsNorm);
  EXPECT_FALSE(llama.bias);
  EXPECT_FALSE(llama.tie_embeddings);
}

// The llama fixture's settings and `more`.
std::string llama_text(const std::string& more) {
  return R"({"model_type":"llama","hidden_size":32,"intermediate_size":56,)"
         R"("num_hidden_layers":2,"num_attention_heads":4,"vocab_size":211,)"
         R"("max_position_embeddings":32)" +
         more + "}";
}

model::ModelConfig llama(const std::string& more) {
  return config_from_huggingface(llama_text(more), "c");
}

std::string llama_error(const std::string& more) {
  return error_of([&] { llama(more); });
}

TEST(HuggingFaceConfig, RefusesWhatLlamaHereDoesNotHave) {
  EXPECT_THAT(
      llama_error(R"(,"hidden_act":"gelu")"),
      HasSubstr("hidden_act is \"gelu\"; Dure's llama has only \"silu\""));
  EXPECT_THAT(llama_error(R"(,"attention_bias":true)"),
              HasSubstr("\"attention_bias\" is true"));
  EXPECT_THAT(llama_error(R"(,"mlp_bias":true)"), HasSubstr("mlp_bias"));
  EXPECT_THAT(llama_error(R"(,"rope_scaling":{"type":"linear","factor":2})"),
              HasSubstr("rope_scaling"));
  EXPECT_THAT(llama_error(R"(,"rope_parameters":{"rope_type":"yarn"})"),
              HasSubstr("rope_type is \"yarn\""));
  EXPECT_THAT(llama_error(R"(,"head_dim":16)"),
              HasSubstr("head_dim is 16; Dure's llama has only hidden_size / "
                        "num_attention_heads, 8"));
  EXPECT_THAT(llama_error(R"(,"num_key_value_heads":3)"), HasSubstr("3"));
}

model::ModelConfig gpt(const std::string& more) {
  return config_from_huggingface(
      R"({"model_type":"gpt2","n_embd":32,"n_head":4,"vocab_size":211,)"
      R"("n_positions":32)" +
          more + "}",
      "c");
}

std::string gpt_error(const std::string& more) {
  return error_of([&] { gpt(more); });
}

TEST(HuggingFaceConfig, RefusesWhatGptHereDoesNotHave) {
  EXPECT_THAT(gpt_error(R"(,"n_layer":2,"activation_function":"relu")"),
              HasSubstr("has only \"gelu_new\""));
  EXPECT_THAT(gpt_error(R"(,"n_layer":2,"scale_attn_weights":false)"),
              HasSubstr("scale_attn_weights"));
  EXPECT_THAT(
      gpt_error(R"(,"n_layer":2,"scale_attn_by_inverse_layer_idx":true)"),
      HasSubstr("scale_attn_by_inverse_layer_idx"));
}

TEST(HuggingFaceConfig, RefusesMissingAndAbsurdValues) {
  EXPECT_THAT(gpt_error(""), HasSubstr("has no n_layer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":0)"), HasSubstr("a positive integer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":"2")"), HasSubstr("wanted an integer"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":4503599627370496)"),
              HasSubstr("no model has more"));
  EXPECT_THAT(gpt_error(R"(,"n_layer":4611686018427387904)"),
              HasSubstr("a positive integer up to 2^53"));
  EXPECT_THAT(error_of([] { config_from_huggingface("", "c"); }),
              HasSubstr("c: not JSON"));
  EXPECT_THAT(
      error_of([] { config_from_huggingface(R"({"model_type":"t5"})", "c"); }),
      HasSubstr("model_type is \"t5\"; Dure converts gpt2, llama"));
}

TEST(HuggingFaceConfig, RefusesToWriteWhatTheirModelsCanNotBe) {
  const auto error = [](const auto& change) {
    model::ModelConfig config;
    change(config);
    return error_of([&] { config_to_huggingface(config, FileDtype::kF32); });
  };
  EXPECT_THAT(error([](auto& c) { c.kv_heads = 4; }),
              HasSubstr("can't be written so: model.kv_heads is 12 there, "
                        "wanted 4"));
  EXPECT_THAT(error([](auto& c) { c.norm_bias = model::NormBias::kNo; }),
              HasSubstr("model.norm_bias is \"yes\" there, wanted \"no\""));
  EXPECT_THAT(error([](auto& c) { c.window = 64; }),
              HasSubstr("model.window is 0 there, wanted 64"));
  EXPECT_THAT(error([](auto& c) { c.position = model::Position::kAlibi; }),
              HasSubstr("model.position is \"learned\" there"));
  model::ModelConfig unused;
  unused.rope_theta = 5e5;
  EXPECT_NO_THROW(config_to_huggingface(unused, FileDtype::kF32));
}

TEST(HuggingFaceConfig, TakesPlainRopeInEverySpelling) {
  for (const char* more :
       {R"(,"rope_theta":5e5)",
        R"(,"rope_theta":5e5,"rope_scaling":null)",
        R"(,"rope_theta":5e5,"rope_scaling":{})",
        R"(,"rope_theta":5e5,"rope_scaling":{"rope_type":"default"})",
        R"(,"rope_theta":5e5,"rope_scaling":{"type":"default"})",
        R"(,"rope_theta":5e5,"rope_scaling":{"type":"linear","factor":1})",
        R"(,"rope_theta":5e5,"rope_parameters":{"rope_type":"default"})",
        R"(,"rope_theta":5e5,"rope_parameters":{"rope_theta":500000})",
        R"(,"rope_parameters":{"rope_type":"default","rope_theta":5e5})",
        R"(,"rope_parameters":{"rope_theta":5e5,"partial_rotary_factor":1})",
        R"(,"partial_rotary_factor":1.0,"rope_theta":5e5)"}) {
    EXPECT_EQ(llama(more).rope_theta, 500000) << more;
  }
  EXPECT_EQ(llama("").rope_theta, 10000);
}

TEST(HuggingFaceConfig, RefusesScaledRopeWhereverItIsSaid) {
  const struct {
    const char* more;
    const char* named;
  } cases[] = {
      {R"(,"rope_parameters":{"type":"linear","factor":2})", "type"},
      {R"(,"rope_parameters":{"type":"linear"})", "factor"},
      {R"(,"rope_parameters":{"rope_type":"default","type":"linear",)"
       R"("factor":2})",
       "type"},
      {R"(,"rope_parameters":{"rope_type":"linear","type":"default",)"
       R"("factor":2})",
       "rope_type"},
      {R"(,"rope_scaling":{"rope_type":"default","factor":4})", "factor"},
      {R"(,"rope_scaling":{"type":"dynamic","factor":1})", "dynamic"},
      {R"(,"rope_scaling":{"rope_type":"llama3","factor":8})", "llama3"},
      {R"(,"rope_scaling":{"attention_factor":1.2})", "attention_factor"},
      {R"(,"rope_scaling":"linear")", "rope_scaling"},
      {R"(,"rope_parameters":{"full_attention":{"rope_type":"default"}})",
       "full_attention"},
      {R"(,"rope_theta":1e4,"rope_parameters":{"rope_theta":5e5})",
       "rope_theta"},
      {R"(,"rope_scaling":{"rope_theta":1e4},)"
       R"("rope_parameters":{"rope_theta":5e5})",
       "rope_theta"},
      {R"(,"partial_rotary_factor":0.5)", "partial_rotary_factor"},
      {R"(,"rope_parameters":{"partial_rotary_factor":0.5})",
       "partial_rotary_factor"},
      {R"(,"rotary_pct":0.25)", "rotary_pct"},
      {R"(,"rope_interleaved":true)", "rope_interleaved"},
  };
  for (const auto& [more, named] : cases) {
    EXPECT_THAT(llama_error(more), HasSubstr(named)) << more;
  }
}

TEST(HuggingFaceConfig, RefusesWhateverItDoesNotKnow) {
  for (const char* more : {R"(,"sliding_window":16)",
                           R"(,"layer_types":["sliding_attention"])",
                           R"(,"quantization_config":{"bits":4})",
                           R"(,"logits_scaling":8)",
                           R"(,"hidden_dropout":0.1)",
                           R"(,"use_qk_norm":true)",
                           R"(,"is_causal":false)",
                           R"(,"is_causal":null)",
                           R"(,"n_embd":32)",
                           R"(,"per_layer_config":{"0":{"head_dim":4}})",
                           R"(,"auto_map":{"AutoModelForCausalLM":"m.M"})",
                           R"(,"what\u001b[2Jever":1)"}) {
    EXPECT_THAT(llama_error(more), HasSubstr("which Dure does not have"))
        << more;
  }
  EXPECT_THAT(llama_error(R"(,"what\u001b[2Jever":1)"),
              HasSubstr(R"("what\x1b[2Jever" is 1)"));
  for (const char* more : {R"(,"n_layer":2,"add_cross_attention":true)",
                           R"(,"n_layer":2,"scale_attn_weights":null)",
                           R"(,"n_layer":2,"pruned_heads":{"0":[1]})",
                           R"(,"n_layer":2,"rope_theta":1e4)",
                           R"(,"n_layer":2,"attention_head_type":"multi")"}) {
    EXPECT_THAT(gpt_error(more), HasSubstr("which Dure does not have")) << more;
  }
}

// The keys are those of published files, GPT-2's own and many a Llama's.
TEST(HuggingFaceConfig, TakesWhatChangesNothing) {
  gpt(R"(,"n_layer":2,"activation_function":"gelu_pytorch_tanh",)"
      R"("architectures":["GPT2LMHeadModel"],"bos_token_id":50256,)"
      R"("n_ctx":1024,"summary_type":"cls_index","summary_use_proj":true,)"
      R"("summary_activation":null,"summary_first_dropout":0.1,)"
      R"("summary_proj_to_labels":true,"scale_attn_weights":true,)"
      R"("reorder_and_upcast_attn":true,"use_cache":true,"output_past":true,)"
      R"("task_specific_params":{"text-generation":{"do_sample":true}},)"
      R"("add_cross_attention":false,"n_inner":null,"_num_labels":1,)"
      R"("id2label":{"0":"LABEL_0"},"transformers_version":"4.30.2")");
  llama(R"(,"_name_or_path":"x","pretraining_tp":2,"hidden_act":"swish",)"
        R"("head_dim":8,"num_key_value_heads":null,"torch_dtype":"bfloat16",)"
        R"("dtype":"bfloat16","max_sequence_length":2048,"is_causal":true,)"
        R"("unsloth_version":"2024.9","sliding_window":null,"mlp_bias":false,)"
        R"("eos_token_id":[1,2],"layer_types":["full_attention"],)"
        R"("auto_map":{"AutoTokenizer":"t.T"},"pruned_heads":{},)"
        R"("quantization_config":null,"resid_pdrop":0.0,"logit_scale":1.0)");
}

TEST(HuggingFaceConfig, ReadsGptSizesUnderBothNames) {
  const std::string sizes =
      R"("num_hidden_layers":3,"hidden_size":32,"num_attention_heads":4,)"
      R"("max_position_embeddings":16,"vocab_size":211})";
  const model::ModelConfig config =
      config_from_huggingface(R"({"model_type":"gpt2",)" + sizes, "c");
  EXPECT_EQ(config.layers, 3);
  EXPECT_EQ(config.max_sequence, 16);
  EXPECT_EQ(config.ffn_hidden, 128);
  EXPECT_THAT(gpt_error(R"(,"n_layer":2,"num_hidden_layers":3)"),
              HasSubstr("n_layer is 2, but num_hidden_layers, which is another "
                        "name of it, 3"));
}

TEST(HuggingFaceConfig, ReadsEveryDropout) {
  const model::ModelConfig config = gpt(
      R"(,"n_layer":2,"embd_pdrop":0.2,"attn_pdrop":0.0,"resid_pdrop":0.3)");
  EXPECT_EQ(config.dropout.embedding, 0.2);
  EXPECT_EQ(config.dropout.attention, 0);
  EXPECT_EQ(config.dropout.hidden, 0.3);
  EXPECT_EQ(gpt(R"(,"n_layer":2)").dropout, model::DropoutRates(0.1));
  EXPECT_EQ(llama(R"(,"attention_dropout":0.25)").dropout.attention, 0.25);
  EXPECT_EQ(llama("").dropout, model::DropoutRates(0));
}

TEST(HuggingFaceConfig, RefusesNumbersOfAnotherKindOrSize) {
  for (const char* more : {R"(,"n_layer":12.0)",
                           R"(,"n_layer":18446744073709551616)",
                           R"(,"n_layer":-9223372036854775808)",
                           R"(,"n_layer":true)",
                           R"(,"n_layer":2,"n_inner":9223372036854775807)",
                           R"(,"n_layer":2,"layer_norm_epsilon":1e400)",
                           R"(,"n_layer":2,"layer_norm_epsilon":1e-60)",
                           R"(,"n_layer":2,"layer_norm_epsilon":"1e-5")",
                           R"(,"n_layer":2,"embd_pdrop":1.5)",
                           R"(,"n_layer":2,"resid_pdrop":NaN)",
                           R"(,"n_layer":2,"n_layer":2)",
                           R"(,"n_layer":10001)"}) {
    EXPECT_THAT(gpt_error(more), HasSubstr("c: ")) << more;
  }
  EXPECT_THAT(llama_error(R"(,"rope_theta":1e39)"),
              HasSubstr("model.rope_theta: wanted a number above 0 that f32"));
}

}  // namespace
}  // namespace dure::checkpoint
