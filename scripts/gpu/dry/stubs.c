/*
 * Stand-ins for NVIDIA's libraries, so that ONNX Runtime's CUDA provider opens sessions and chooses
 * kernels on a machine without a GPU. They claim to be one GPU and report success. No kernel runs:
 * NO NUMBER THAT COMES OUT MEANS ANYTHING, and a comparison of two of them says nothing.
 *
 * run.sh compiles this once for each library. What is not written here returns 0.
 * DRY_SM: compute capability, 90 unless given. DRY_CUDNN: version, 92400 unless given.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STUB(name) int name() { return 0; }
#define OWN(name) name

static int setting(const char *name, int otherwise) {
  const char *given = getenv(name);
  return given ? atoi(given) : otherwise;
}

static int fresh(void **handle) {
  *handle = calloc(1, 4096);
  return 0;
}

#ifdef FOR_cudart
/* Where the fields of CUDA 13's cudaDeviceProp lie. */
enum { PROPERTIES = 1008 };
static void put4(char *at, int offset, int32_t value) { memcpy(at + offset, &value, 4); }
static void put8(char *at, int offset, int64_t value) { memcpy(at + offset, &value, 8); }

int OWN(cudaGetDeviceProperties)(char *at, int device) {
  memset(at, 0, PROPERTIES);
  strcpy(at, "no GPU: a stand-in");
  put8(at, 288, 1LL << 36);   /* totalGlobalMem */
  put8(at, 296, 49152);       /* sharedMemPerBlock */
  put4(at, 304, 65536);       /* regsPerBlock */
  put4(at, 308, 32);          /* warpSize */
  put4(at, 320, 1024);        /* maxThreadsPerBlock */
  put4(at, 324, 1024), put4(at, 328, 1024), put4(at, 332, 64);         /* maxThreadsDim */
  put4(at, 336, 2147483647), put4(at, 340, 65535), put4(at, 344, 65535); /* maxGridSize */
  put4(at, 360, setting("DRY_SM", 90) / 10);
  put4(at, 364, setting("DRY_SM", 90) % 10);
  put4(at, 384, 132);         /* multiProcessorCount */
  put4(at, 596, 50 << 20);    /* l2CacheSize */
  put4(at, 604, 2048);        /* maxThreadsPerMultiProcessor */
  put8(at, 624, 233472);      /* sharedMemPerMultiprocessor */
  put4(at, 632, 65536);       /* regsPerMultiprocessor */
  put8(at, 672, 232448);      /* sharedMemPerBlockOptin */
  put4(at, 688, 32);          /* maxBlocksPerMultiProcessor */
  return 0;
}

int OWN(cudaDeviceGetAttribute)(int *value, int attribute, int device) {
  switch (attribute) {
    case 1: *value = 1024; break;
    case 8: *value = 49152; break;
    case 10: *value = 32; break;
    case 16: *value = 132; break;
    case 39: *value = 2048; break;
    case 75: *value = setting("DRY_SM", 90) / 10; break;
    case 76: *value = setting("DRY_SM", 90) % 10; break;
    case 81: *value = 233472; break;
    case 97: *value = 232448; break;
    default: *value = 1;
  }
  return 0;
}

int OWN(cudaFuncGetAttributes)(char *at, const void *function) {
  memset(at, 0, 144);
  put4(at, 24, 1024), put4(at, 28, 32), put4(at, 32, 90), put4(at, 36, 90);
  return 0;
}

int OWN(cudaPointerGetAttributes)(char *at, void *pointer) {
  memset(at, 0, 88);
  put4(at, 0, 2); /* memory of a device */
  memcpy(at + 8, &pointer, 8);
  return 0;
}

static int memory(void **at, size_t bytes) {
  *at = calloc(1, bytes + 256);
  return *at ? 0 : 2;
}

static int release(void *at) {
  free(at);
  return 0;
}

int OWN(cudaGetDeviceCount)(int *count) { *count = 1; return 0; }
int OWN(cudaGetDevice)(int *device) { *device = 0; return 0; }
int OWN(cudaRuntimeGetVersion)(int *version) { *version = 13000; return 0; }
int OWN(cudaDriverGetVersion)(int *version) { *version = 13000; return 0; }
int OWN(cudaMalloc)(void **at, size_t bytes) { return memory(at, bytes); }
int OWN(cudaMallocFromPoolAsync)(void **at, size_t bytes) { return memory(at, bytes); }
int OWN(cudaMallocHost)(void **at, size_t bytes) { return memory(at, bytes); }
int OWN(cudaHostAlloc)(void **at, size_t bytes) { return memory(at, bytes); }
int OWN(cudaFree)(void *at) { return release(at); }
int OWN(cudaFreeAsync)(void *at) { return release(at); }
int OWN(cudaFreeHost)(void *at) { return release(at); }
int OWN(cudaMemPoolCreate)(void **pool) { return fresh(pool); }
int OWN(cudaMemPoolGetAttribute)(void *pool, int name, uint64_t *value) { *value = 0; return 0; }
int OWN(cudaMemGetInfo)(size_t *left, size_t *all) {
  *left = 1ull << 35, *all = 1ull << 36;
  return 0;
}
int OWN(cudaMemcpy)(void *to, const void *from, size_t bytes) {
  memmove(to, from, bytes);
  return 0;
}
int OWN(cudaMemcpyAsync)(void *to, const void *from, size_t bytes) {
  memmove(to, from, bytes);
  return 0;
}
int OWN(cudaMemcpyFromSymbol)(void *to, const void *from, size_t bytes) {
  memset(to, 0, bytes);
  return 0;
}
int OWN(cudaMemset)(void *at, int value, size_t bytes) { memset(at, value, bytes); return 0; }
int OWN(cudaMemsetAsync)(void *at, int value, size_t bytes) { memset(at, value, bytes); return 0; }
int OWN(cudaStreamCreate)(void **stream) { return fresh(stream); }
int OWN(cudaStreamCreateWithFlags)(void **stream) { return fresh(stream); }
int OWN(cudaStreamIsCapturing)(void *stream, int *status) { *status = 0; return 0; }
int OWN(cudaEventCreate)(void **event) { return fresh(event); }
int OWN(cudaEventCreateWithFlags)(void **event) { return fresh(event); }
int OWN(cudaEventElapsedTime)(float *milliseconds) { *milliseconds = 0.01f; return 0; }
int OWN(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)(int *blocks) {
  *blocks = 2;
  return 0;
}
int OWN(cudaLaunchHostFunc)(void *stream, void (*call)(void *), void *data) {
  call(data);
  return 0;
}
int OWN(cudaLibraryLoadData)(void **library) { return fresh(library); }
int OWN(cudaLibraryGetKernel)(void **kernel) { return fresh(kernel); }
int OWN(__cudaGetKernel)(void **kernel) { return fresh(kernel); }
const char *OWN(cudaGetErrorString)(int code) { return "a stand-in"; }
const char *OWN(cudaGetErrorName)(int code) { return "a stand-in"; }

int OWN(cudaMemcpy2DAsync)(char *to, size_t toPitch, const char *from, size_t fromPitch,
    size_t width, size_t rows) {
  for (size_t row = 0; row < rows; row++) memmove(to + row * toPitch, from + row * fromPitch, width);
  return 0;
}

int OWN(cudaGetDriverEntryPointByVersion)(const char *name, void **entry, unsigned version,
    unsigned long long flags, int *status) {
  *entry = dlsym(RTLD_DEFAULT, name);
  if (status) *status = *entry ? 0 : 1;
  return 0;
}

void **OWN(__cudaRegisterFatBinary)(void *binary) {
  static void *registered;
  return &registered;
}
#endif

#ifdef FOR_cuda
int OWN(cuTensorMapEncodeTiled)() { return 0; }
#endif

#ifdef FOR_cublas
/* The one thing that is computed: float32 products, since attn-diff believes no provider that gets one wrong. */
static void product(int a, int b, int m, int n, int k, const float *A, int lda, const float *B,
    int ldb, float *C, int ldc) {
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < m; i++) {
      float sum = 0;
      for (size_t l = 0; l < k; l++)
        sum += (a ? A[l + i * lda] : A[i + l * lda]) * (b ? B[j + l * ldb] : B[l + j * ldb]);
      C[i + j * ldc] = sum;
    }
}

int OWN(cublasSgemm_v2)(void *handle, int a, int b, int m, int n, int k, const float *alpha,
    const float *A, int lda, const float *B, int ldb, const float *beta, float *C, int ldc) {
  product(a, b, m, n, k, A, lda, B, ldb, C, ldc);
  return 0;
}

int OWN(cublasGemmEx)(void *handle, int a, int b, int m, int n, int k, const void *alpha,
    const void *A, int aType, int lda, const void *B, int bType, int ldb, const void *beta,
    void *C, int cType, int ldc) {
  if (aType == 0 && cType == 0) product(a, b, m, n, k, A, lda, B, ldb, C, ldc);
  return 0;
}

int OWN(cublasCreate_v2)(void **handle) { return fresh(handle); }
int OWN(cublasGetMathMode)(void *handle, int *mode) { *mode = 0; return 0; }
const char *OWN(cublasGetStatusName)(int code) { return "a stand-in"; }
const char *OWN(cublasGetStatusString)(int code) { return "a stand-in"; }
#endif

#ifdef FOR_cublasLt
int OWN(cublasLtCreate)(void **handle) { return fresh(handle); }
int OWN(cublasLtMatmulDescCreate)(void **made) { return fresh(made); }
int OWN(cublasLtMatrixLayoutCreate)(void **made) { return fresh(made); }
int OWN(cublasLtMatrixTransformDescCreate)(void **made) { return fresh(made); }
int OWN(cublasLtMatmulPreferenceCreate)(void **made) { return fresh(made); }
int OWN(cublasLtMatmulAlgoGetHeuristic)(void *h, void *o, void *a, void *b, void *c, void *d,
    void *p, int asked, void *results, int *found) {
  memset(results, 0, 96);
  *found = 1;
  return 0;
}
#endif

#ifdef FOR_cudnn
int OWN(cudnnCreate)(void **handle) { return fresh(handle); }
size_t OWN(cudnnGetVersion)(void) { return setting("DRY_CUDNN", 92400); }
size_t cudnnGetCudartVersion(void) { return 13000; }
int OWN(cudnnGetStream)(void *handle, void **stream) { *stream = 0; return 0; }
int OWN(cudnnBackendCreateDescriptor)(int type, void **made) { return fresh(made); }
const char *OWN(cudnnGetErrorString)(int code) { return "a stand-in"; }
void OWN(cudnnGetLastErrorString)(char *text, size_t most) { if (most) text[0] = 0; }

/* One engine, whose plan works. 15 is the type of descriptors, which the caller has made; 3 is int64. */
int OWN(cudnnBackendGetAttribute)(void *of, int name, int type, int64_t asked, int64_t *count,
    void *values) {
  if (count) *count = 1;
  if (values && type != 15 && asked > 0) memset(values, 0, type == 3 ? 8 * asked : 4);
  return 0;
}
#endif

#include REST
