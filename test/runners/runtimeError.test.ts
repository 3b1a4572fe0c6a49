import { describe, expect, it } from 'vitest';
import type { RefusalReason } from '../../src/errors.js';
import { runtimeCause, runtimeError } from '../../src/runners/runtimeError.js';

/** As ONNX Runtime 1.30 worded them; what is left of each; why it is a refusal. */
const OPENING: readonly [RefusalReason, string, string][] = [
  [
    'operator',
    'Load model from m.onnx failed:This is an invalid model. In Node, ("n1", Nope, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error No Op registered for Nope with domain_version of 18',
    'node "n1" (Nope): No Op registered for Nope with domain_version of 18',
  ],
  [
    'operator',
    'Load model from m.onnx failed:Fatal error: my.dom:Nope(-1) is not a registered function/op',
    'my.dom:Nope(-1) is not a registered function/op',
  ],
  [
    'operator',
    'This is an invalid model. In Node, ("n1", Nope, "my.dom", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error No opset import for domain \'my.dom\'',
    'node "n1" (Nope): No opset import for domain \'my.dom\'',
  ],
  [
    'kernel',
    "Could not find an implementation for Conv(11) node with name 'n1'",
    "Could not find an implementation for Conv(11) node with name 'n1'",
  ],
  [
    'types',
    'Load model from m.onnx failed:Type Error: Type parameter (T) of Optype (Add) bound to different types (tensor(float) and tensor(int64) in node (n1).',
    'Type Error: Type parameter (T) of Optype (Add) bound to different types (tensor(float) and tensor(int64) in node (n1).',
  ],
  [
    'shapes',
    'Load model from m.onnx failed:Node (n1) Op (MatMul) [ShapeInferenceError] Incompatible dimensions for matrix multiplication',
    'Node (n1) Op (MatMul) [ShapeInferenceError] Incompatible dimensions for matrix multiplication',
  ],
  [
    'version',
    'Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::logging::Logger&, const onnxruntime::ModelOptions&) Unsupported model IR version: 99, max supported IR version: 13\n',
    'Unsupported model IR version: 99, max supported IR version: 13',
  ],
  [
    'version',
    'Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, const onnxruntime::logging::Logger&, bool, const std::string&, int) ONNX Runtime only *guarantees* support for models stamped with official released onnx opset versions. Opset 99 is under development and support for this is limited. The operator schemas and or other functionality may change before next ONNX release and in this case ONNX Runtime will not guarantee backward compatibility. Current official support for domain ai.onnx is till opset 26.\n',
    'opset 99 of ai.onnx is newer than 26, the newest that it takes',
  ],
  [
    'weights',
    'External data path validation failed for initializer: c. Error: tensorprotoutils.cc:461 ValidateExternalDataPathFromDir External data path does not exist: "gone.bin"',
    'External data path does not exist: "gone.bin"',
  ],
  [
    'weights',
    'Deserialize tensor c failed.tensorprotoutils.cc:1763 GetExtDataFromTensorProto External initializer: c offset: 0 size to read: 80 given file_length: 4 are out of bounds or can not be read in full.',
    'Deserialize tensor c failed: External initializer: c offset: 0 size to read: 80 given file_length: 4 are out of bounds or can not be read in full.',
  ],
  ['damaged', 'Load model from m.onnx failed:Protobuf parsing failed.', 'Protobuf parsing failed.'],
  [
    'graph',
    'Load model from m.onnx failed:This is an invalid model. Error: the graph is not acyclic.',
    'the graph is not acyclic.',
  ],
  [
    'graph',
    'Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/graph.cc:1555 void onnxruntime::Graph::InitializeStateFromModelFileGraphProto() This is an invalid model. Graph output (y) does not exist in the graph.\n',
    'Graph output (y) does not exist in the graph.',
  ],
  [
    'graph',
    '/onnxruntime_src/onnxruntime/core/graph/model.cc:284 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::ModelOptions&) [ONNXRuntimeError] : 10 : INVALID_GRAPH : Model-local function F calls itself',
    'Model-local function F calls itself',
  ],
];

const node = (status: string): string =>
  `Non-zero status code returned while running Expand node. Name:'n1' Status Message: ${status}`;

describe('runtimeError', () => {
  it.each(OPENING)('a model refused for its %s: %#', (reason, message, problem) => {
    expect(runtimeError(message, 's', 'opening', 'cpu')).toMatchObject({
      code: 'model-refused',
      exitCode: 3,
      args: { stage: 's', reason, problem },
    });
  });

  it.each([
    [
      'size',
      'Invalid rank for input: x Got: 1 Expected: 2 Please fix either the inputs/outputs or the model.',
      'Invalid rank for input: x Got: 1 Expected: 2',
    ],
    [
      'size',
      'Got invalid dimensions for input: x for the following indices\n index: 1 Got: 4 Expected: 3\n Please fix either the inputs/outputs or the model.',
      'Got invalid dimensions for input: x for the following indices index: 1 Got: 4 Expected: 3',
    ],
    [
      'type',
      'Unexpected input data type. Actual: (tensor(int64)) , expected: (tensor(float))',
      'Unexpected input data type. Actual: (tensor(int64)) , expected: (tensor(float))',
    ],
    ['type', "input 'x' is missing in 'feeds'.", "input 'x' is missing in 'feeds'."],
  ])('an input refused for its %s: %#', (what, message, problem) => {
    expect(runtimeError(message, 's', 'running', 'cpu')).toMatchObject({
      code: 'input-refused',
      exitCode: 3,
      args: { what, problem },
    });
  });

  it.each([
    'std::bad_alloc',
    node(
      '/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 26388279066624\n',
    ),
    'CUDA failure 2: out of memory ; GPU=0',
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED',
  ])('memory ran out: %#', (message) => {
    for (const doing of ['opening', 'running'] as const)
      expect(runtimeError(message, 's', doing, 'cuda')).toMatchObject({
        code: 'out-of-memory',
        exitCode: 4,
      });
  });

  it("leaves out the machine's name and the place in the source behind what CUDA says", () => {
    const message =
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=box ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=352 ; expr=cudaSetDevice(info_.device_id); ';
    expect(runtimeCause(message)).toBe(
      'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version',
    );
  });

  it('takes what a kernel says that it does not do for a refusal of the model, not for a failure', () => {
    const cpu =
      'GroupQueryAttention (CPU): q_norm_weight / k_norm_weight inputs are not supported. It is implemented only on the CUDA and WebGPU EPs.';
    expect(runtimeError(node(cpu), 's', 'running', 'cpu')).toMatchObject({
      code: 'model-refused',
      exitCode: 3,
      args: { reason: 'kernel' },
    });
  });

  it('takes no name of a file or node for a lack of memory', () => {
    const named =
      "Non-zero status code returned while running Gather node. Name:'bad_alloc' Status Message: indices element out of data bounds";
    expect(runtimeError(named, 's', 'running', 'cpu')).toMatchObject({
      code: 'execution-failed',
      exitCode: 4,
      args: { problem: 'Gather "bad_alloc": indices element out of data bounds' },
    });
    expect(
      runtimeError(
        'Load model from out of memory/m.onnx failed:Protobuf parsing failed.',
        's',
        'opening',
        'cpu',
      ),
    ).toMatchObject({ code: 'model-refused' });
  });

  it('blames the model only where the CPU refuses it in unknown words, since other providers may lack a library', () => {
    const message = 'Failed to load library libonnxruntime_providers_cuda.so';
    expect(runtimeError(message, 's', 'opening', 'cuda')).toMatchObject({
      code: 'execution-failed',
    });
    expect(runtimeError(message, 's', 'opening', 'cpu')).toMatchObject({
      code: 'model-refused',
      args: { reason: 'graph' },
    });
  });
});

describe('runtimeCause', () => {
  it.each([
    [
      node(
        '/onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:84 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) size != 0 && (input_shape_size % size) == 0 was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{7,-1}\n',
      ),
      'Expand "n1": The input tensor cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{7,-1}',
    ],
    [
      node('matmul_helper.h:59 Compute MatMul dimension mismatch'),
      'Expand "n1": MatMul dimension mismatch',
    ],
    [
      node(
        '/onnxruntime_src/onnxruntime/core/common/safeint.h:17 static void SafeIntExceptionHandler<onnxruntime::OnnxRuntimeException>::SafeIntOnOverflow() Integer overflow\n',
      ),
      'Expand "n1": Integer overflow',
    ],
    [
      '/src/a.cc:1 std::unique_ptr<T> ns::Make(const std::function<void(int)>&) const [with T = int] No adapter',
      'No adapter',
    ],
    ['a.cc:1 f() x was false. No adapter\n', 'No adapter'],
    ['plain words', 'plain words'],
    ['', ''],
  ])('%#', (message, cause) => {
    expect(runtimeCause(message)).toBe(cause);
  });
});
