import { z } from 'zod';
import {
  CAPABILITIES,
  CHOSEN,
  CUDA_LACKS,
  DOCTOR_SCHEMA,
  GPU_SOURCES,
  PROVIDER_STATUSES,
} from '../doctorTypes.js';
import { ATTENTION_PRECISIONS, PRECISIONS, KERNELS, PROVIDERS } from '../types.js';
import { count, host, text } from './schemaParts.js';

const provider = z.enum(PROVIDERS).describe('Execution provider.');
const remedy = z
  .string()
  .nullable()
  .describe('How to get it; null where it is there, or cannot be had here.');

const machine = z.strictObject({
  ...host.shape,
  cores: count('Logical processors.'),
  memoryBytes: count('Memory that the process may use.'),
});

const providerCheck = z.strictObject({
  name: provider,
  status: z
    .enum(PROVIDER_STATUSES)
    .describe(
      'works: it ran a node; falls-back: another provider ran it; missing: the runtime refused; fails: its process died or gave no answer; not-on-platform: onnxruntime-node has none here.',
    ),
  bundled: z
    .boolean()
    .nullable()
    .describe(
      'Whether its libraries ship inside onnxruntime-node; null where that has no such provider here.',
    ),
  ran: z
    .array(
      z.strictObject({
        operator: text('Operator.'),
        provider: text('Execution provider that ran it.'),
        types: z.array(z.enum(PRECISIONS)).describe('The types that it computed in.'),
      }),
    )
    .describe('What ran, from the profile of the session.'),
  problem: z
    .string()
    .nullable()
    .describe('What the runtime said, or how its process ended; null where the node ran.'),
  remedy,
});

const gpu = z.strictObject({
  name: text('Name of the card; from drm vendor:device in hexadecimal.'),
  driver: z.string().nullable().describe('Version of the driver; from drm its name.'),
  memoryBytes: z.int().nonnegative().nullable().describe('Memory of the card.'),
  source: z.enum(GPU_SOURCES).describe('What told of it.'),
});

const vulkan = z.strictObject({
  loader: z.string().nullable().describe('Where libvulkan.so.1 lies; null where it is not found.'),
  drivers: z.array(
    z.strictObject({
      file: text('File that names a driver.'),
      library: z.string().nullable().describe('The library that it names.'),
    }),
  ),
});

const cuda = z.strictObject({
  lacks: z
    .enum(CUDA_LACKS)
    .nullable()
    .describe(
      'The first thing that keeps CUDA from running. device: no NVIDIA card; device-hidden: CUDA_VISIBLE_DEVICES names none; driver: a card without a driver; provider: the library of ONNX Runtime; driver-too-old: for the CUDA version of that library; libraries: those of NVIDIA; unknown: all of these are there. Null where it works.',
    ),
  version: z
    .int()
    .nullable()
    .describe(
      'Major version of CUDA that the library of the provider was built for; null where it is not installed.',
    ),
});

const library = z.strictObject({
  name: text('As it is needed.'),
  path: z
    .string()
    .nullable()
    .describe('Where the process of a CUDA stream finds it; null where it is missing.'),
  origin: z
    .string()
    .nullable()
    .describe(
      'What led to it: loader, onnxruntime-node, or the variable, folder or interpreter whose installation it is of.',
    ),
  neededBy: z
    .string()
    .nullable()
    .describe('The library that needs it; null for those of the provider.'),
  isRequired: z
    .boolean()
    .describe('Whether CUDA cannot be used without it; else some of its kernels cannot.'),
  remedy,
});

const capability = z.strictObject({
  implementation: z.enum(CHOSEN).describe('Implementation.'),
  provider,
  precision: z.enum(ATTENTION_PRECISIONS).describe('Precision of the attention.'),
  kind: z
    .enum(CAPABILITIES)
    .describe(
      'real: it ran in that precision; emulated: with explicit rounding; elsewhere: the provider leaves it to another, or runs it in another type; none: it cannot be run.',
    ),
  operators: z.array(z.string()).describe('Operators that compute it.'),
  kernels: z
    .array(z.enum(KERNELS))
    .describe('Kernels that can be asked for by name, the usual one first.'),
  reason: z
    .string()
    .nullable()
    .describe('Why it cannot be run, or where it runs instead; null where neither.'),
});

/** The JSON form of a Diagnosis: schema `attn-diff/doctor/v1`. */
export const doctorSchema = z
  .strictObject({
    schema: z.literal(DOCTOR_SCHEMA),
    machine,
    providers: z.array(providerCheck),
    gpus: z.array(gpu).nullable().describe('Null where nothing tells of GPUs.'),
    vulkan: vulkan.nullable().describe('Null where WebGPU does without Vulkan.'),
    cuda: cuda.nullable().describe('Null where the platform has no CUDA.'),
    libraries: z
      .array(library)
      .describe('Of the CUDA provider; empty where the platform has none.'),
    implementations: z.array(capability).describe('On every provider that works.'),
  })
  .meta({ title: 'attn-diff doctor', description: 'What runs on this machine.' });

export type DoctorDocument = z.infer<typeof doctorSchema>;
