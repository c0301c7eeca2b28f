// What mHC promises, measured: how far the mixing matrices amplify the residual
// streams over depth, forward and backward.
//
// A sublayer leaves streams X' = B X + post y, B being the transpose of the
// operator's `mix`.  Its Sinkhorn ends with the columns of `mix`, so rows of B sum
// to one but for an epsilon, and columns as nearly as 20 iterations come.  The
// gain over depth is that of the product of all B: the largest sum of a row,
// forward, and of a column, backward (the definition of the mHC paper).  Forward
// it is bounded by construction; backward by nothing but the convergence, so that
// is reported and only held to what it was when it was measured.
//
// Prints the table of docs/hyper-connections.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "cpu/reference/sinkhorn.h"
#include "text/tokenizer.h"
#include "unit/models/golden.h"
#include "unit/models/test_model.h"

namespace baleen::test {
namespace {

constexpr size_t kStreams = 4;

struct Matrix {
  double at[kStreams][kStreams];
};

// B of a `mix` [j, k].
Matrix Transposed(const float* mix) {
  Matrix b;
  for (size_t k = 0; k < kStreams; ++k) {
    for (size_t j = 0; j < kStreams; ++j) {
      b.at[k][j] = static_cast<double>(mix[j * kStreams + k]);
    }
  }
  return b;
}

Matrix Product(const Matrix& a, const Matrix& b) {
  Matrix product = {};
  for (size_t i = 0; i < kStreams; ++i) {
    for (size_t j = 0; j < kStreams; ++j) {
      for (size_t k = 0; k < kStreams; ++k) {
        product.at[i][j] += a.at[i][k] * b.at[k][j];
      }
    }
  }
  return product;
}

// The largest singular value, by powers of B^T B.
double SpectralNorm(const Matrix& b) {
  double x[kStreams] = {1, 0.9, 0.8, 0.7};  // In no space that B might miss.
  double norm = 0;
  for (int step = 0; step < 60; ++step) {
    double y[kStreams] = {};
    double z[kStreams] = {};
    for (size_t i = 0; i < kStreams; ++i) {
      for (size_t j = 0; j < kStreams; ++j) y[i] += b.at[i][j] * x[j];
    }
    for (size_t i = 0; i < kStreams; ++i) {
      for (size_t j = 0; j < kStreams; ++j) z[j] += b.at[i][j] * y[i];
    }
    double length = 0;
    for (const double value : z) length += value * value;
    length = std::sqrt(length);
    for (size_t j = 0; j < kStreams; ++j) x[j] = z[j] / length;
    norm = std::sqrt(length);
  }
  return norm;
}

struct Range {
  double least = HUGE_VAL;
  double most = -HUGE_VAL;
  void Add(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

// Of the products of many tokens.
struct Gains {
  Range forward;             // Sums of rows.
  Range backward;            // Sums of columns.
  double mean_backward = 0;  // Of the tokens' largest.
  double spectral = 0;       // Of single matrices.
  size_t maps = 0;
  size_t tokens = 0;

  // The matrices of one token, from the first layer on.
  void AddToken(const std::vector<Matrix>& matrices) {
    Matrix product = matrices.front();
    for (size_t i = 1; i < matrices.size(); ++i) {
      product = Product(matrices[i], product);
    }
    for (const Matrix& b : matrices) {
      spectral = std::max(spectral, SpectralNorm(b));
    }
    Range columns;
    for (size_t i = 0; i < kStreams; ++i) {
      double row = 0;
      double column = 0;
      for (size_t j = 0; j < kStreams; ++j) {
        row += product.at[i][j];
        column += product.at[j][i];
      }
      forward.Add(row);
      columns.Add(column);
    }
    backward.Add(columns.least);
    backward.Add(columns.most);
    mean_backward +=
        (columns.most - mean_backward) / static_cast<double>(++tokens);
    maps = matrices.size();
  }

  void Print(const char* name) const {
    std::printf(
        "| %s | %zu | %zu | %.5f | %.5f | %.3f | %.3f | %.3f | %.4f |\n", name,
        maps, tokens, forward.least, forward.most, backward.least,
        mean_backward, backward.most, spectral);
  }
};

// Listens to mhc_boundary, which the CPU runs.
class MixRecorder {
 public:
  explicit MixRecorder(const Device& cpu)
      : device_(cpu), table_(*cpu.table), ops_(*cpu.table->ops) {
    original_ = ops_.mhc_boundary;
    ops_.mhc_boundary = Record;
    table_.ops = &ops_;
    device_.table = &table_;
    recorded_ = &matrices_;
  }
  ~MixRecorder() { recorded_ = nullptr; }

  const Device& device() const { return device_; }
  // [boundary][token].
  const std::vector<std::vector<Matrix>>& matrices() const { return matrices_; }

 private:
  static baleen_status Record(baleen_queue* queue,
                              const baleen_mhc_boundary_args* args) {
    const baleen_status status = original_(queue, args);
    const auto rows = static_cast<size_t>(static_cast<const int32_t*>(
        args->common.batch->counts->data)[BALEEN_COUNT_ROWS]);
    std::vector<Matrix>& last = recorded_->emplace_back();
    for (size_t row = 0; row < rows; ++row) {
      last.push_back(
          Transposed(static_cast<const float*>(args->mix->data) +
                     row * static_cast<size_t>(args->mix->stride[0])));
    }
    return status;
  }

  // Operators have no place for a pointer of the test's.
  inline static baleen_status (*original_)(
      baleen_queue*, const baleen_mhc_boundary_args*) = nullptr;
  inline static std::vector<std::vector<Matrix>>* recorded_ = nullptr;

  Device device_;
  baleen_device_table table_;
  baleen_ops ops_;
  std::vector<std::vector<Matrix>> matrices_;
};

Gains GainsOfModel(const std::string& folder,
                   std::span<const baleen_token> tokens) {
  const TestModel opens_the_cpu(folder);
  const MixRecorder recorder(opens_the_cpu.cpu());
  ModelOptions options;
  options.device = &recorder.device();
  TestModel model(folder, options);
  Timeline timeline(model.model(), BALEEN_MODE_REFERENCE);
  timeline.Append(tokens);
  const size_t maps = 2 * static_cast<size_t>(model.v4().config().layers);
  Gains gains;
  // Several steps, each of which goes through all boundaries.
  const auto& recorded = recorder.matrices();
  for (size_t step = 0; step < recorded.size(); step += maps) {
    for (size_t row = 0; row < recorded[step].size(); ++row) {
      std::vector<Matrix> matrices;
      for (size_t i = 0; i < maps; ++i) {
        matrices.push_back(recorded.at(step + i).at(row));
      }
      gains.AddToken(matrices);
    }
  }
  EXPECT_EQ(gains.tokens, tokens.size());
  return gains;
}

// Matrices of logits that are normal with `spread`; `shared` of their variance is
// the same in all layers.
Gains GainsOfRandom(size_t maps, double spread, double shared,
                    int64_t iterations) {
  constexpr size_t kTokens = 200;
  constexpr float kEpsilon = 1e-6f;
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, spread);
  Gains gains;
  for (size_t token = 0; token < kTokens; ++token) {
    double common[kStreams * kStreams];
    for (double& value : common) value = normal(random);
    std::vector<Matrix> matrices;
    for (size_t i = 0; i < maps; ++i) {
      float mix[kStreams * kStreams];
      for (size_t k = 0; k < kStreams * kStreams; ++k) {
        mix[k] = static_cast<float>(std::sqrt(shared) * common[k] +
                                    std::sqrt(1 - shared) * normal(random));
      }
      cpu::Sinkhorn(kStreams, iterations, kEpsilon, mix);
      matrices.push_back(Transposed(mix));
    }
    gains.AddToken(matrices);
  }
  return gains;
}

// Each of so many matrices may lose the epsilon of its denominators, and float
// rounding.
void ExpectBoundedForward(const Gains& gains) {
  const double most = 4e-6 * static_cast<double>(gains.maps);
  EXPECT_GE(gains.forward.least, 1 - most);
  EXPECT_LE(gains.forward.most, 1 + most);
}

constexpr const char* kHeader =
    "| matrices of | maps | tokens | least row | greatest row | least column | "
    "greatest column, mean | greatest column | greatest singular value |\n"
    "|---|---|---|---|---|---|---|---|---|\n";

TEST(MixingTest, ModelsAmplifyNothingForward) {
  const Golden golden("tiny_v4/golden.safetensors");
  const Gains tiny = GainsOfModel("tiny_v4", golden.Integers("ids"));

  const std::string rules = ReadFile("pocket/tokenizer.json");
  const std::string text = ReadFile("pocket/heldout.txt");
  HostMemory memory(nullptr);
  Result<Tokenizer> tokenizer =
      Tokenizer::Parse(rules, "tokenizer.json", &memory);
  Expect(tokenizer.status());
  const TextPart part = {text, false};
  Vector<baleen_token> tokens(&memory);
  tokenizer->Encode(std::span<const TextPart>(&part, 1), &tokens);
  constexpr size_t kTokens = 512;
  ASSERT_GE(tokens.size(), kTokens);
  const Gains pocket = GainsOfModel(
      "pocket", std::span<const baleen_token>(tokens).first(kTokens));

  std::fputs(kHeader, stdout);
  tiny.Print("tiny_v4, random weights");
  pocket.Print("the pocket model, trained");
  // Measured: see the table; a doubly stochastic matrix would have 1.
  constexpr double kSpectral = 1.02;
  for (const Gains& gains : {tiny, pocket}) {
    ExpectBoundedForward(gains);
    EXPECT_LE(gains.spectral, kSpectral);
  }
}

TEST(MixingTest, RandomMatricesAmplifyBackwardAsSinkhornConverges) {
  // As deep as V4-Pro: 61 layers of two.
  constexpr size_t kMaps = 122;
  std::fputs(kHeader, stdout);
  for (const double shared : {0.0, 0.9}) {
    for (const double spread : {1.0, 4.0, 8.0}) {
      double before = HUGE_VAL;
      for (const int64_t iterations : {20, 50, 100}) {
        const Gains gains = GainsOfRandom(kMaps, spread, shared, iterations);
        char name[96];
        std::snprintf(name, sizeof name,
                      "logits of spread %.0f, %.0f %% shared, %d iterations",
                      spread, 100 * shared, static_cast<int>(iterations));
        gains.Print(name);
        ExpectBoundedForward(gains);
        // More iterations come closer to columns that sum to one.
        const double off = gains.backward.most - gains.backward.least;
        EXPECT_LE(off, before + 1e-4);
        before = off;
      }
    }
  }
}

}  // namespace
}  // namespace baleen::test
