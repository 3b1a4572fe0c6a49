import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/doctorTypes.js';
import type { DiffReport, Finding, ImplementationInfo, Row } from '../../src/types.js';
import { ROOT } from '../docs/documents.js';
import { fixture } from '../support/fixtures.js';
import { runOnSwiftShader, SWIFTSHADER, WITHOUT_WEBGPU } from '../support/webgpu.js';

const MODEL = fixture('qwen2-head64');

describe.skipIf(WITHOUT_WEBGPU !== null)(
  `WebGPU${WITHOUT_WEBGPU === null ? ' on SwiftShader' : `: ${WITHOUT_WEBGPU}`}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'attn-diff-webgpu-test-'));
    const repro = join(folder, 'repro');
    let report: DiffReport;
    beforeAll(() => {
      report = runOnSwiftShader([
        'run',
        '--model',
        MODEL,
        '--random',
        '2x80',
        '--padding',
        'right',
        '--impl',
        'eager@cpu,eager@webgpu,sdpa@webgpu,flash@cpu,flash@webgpu,sdpa@webgpu:kernel=mha',
        '--require-kernel',
        '--save-repro',
        repro,
      ]);
    }, 180_000);
    afterAll(() => rmSync(folder, { recursive: true }));

    const info = (name: string): ImplementationInfo =>
      report.implementations.find((each) => each.name === name)!;
    const local = (name: string): Row[] =>
      report.rows.filter(
        ({ implementation, scope, kind }) =>
          implementation === name && scope === 'local' && kind === 'valid',
      );
    const found = <C extends Finding['code']>(
      code: C,
      name: string,
    ): Extract<Finding, { code: C }> =>
      report.findings.find(
        (finding) =>
          finding.code === code && 'implementation' in finding && finding.implementation === name,
      ) as Extract<Finding, { code: C }>;

    it('eager agrees with the CPU on the same Q, K, V, and is seen to have run there', () => {
      expect(local('eager@webgpu').map(({ layer }) => layer)).toEqual([0, 1]);
      for (const { relL2 } of local('eager@webgpu')) expect(relL2).toBeLessThan(1e-6);
      expect(info('eager@webgpu')).toMatchObject({
        asked: { provider: 'webgpu' },
        provider: 'webgpu',
        proof: 'confirmed',
        reason: null,
      });
      expect(report.environment.gpu).toBe('SwiftShader');
    });

    it('its own stream parts by what WebGPU makes of sine and cosine, and that is named, not amplified rounding', () => {
      expect(found('node-divergence', 'eager@webgpu')).toMatchObject({
        provider: 'webgpu',
        layer: 0,
        nodes: [
          { opType: 'Cos', ranOn: 'webgpu' },
          { opType: 'Sin', ranOn: 'webgpu' },
        ],
        more: 0,
      });
      expect(found('propagation-only', 'eager@webgpu')).toBeUndefined();
    });

    it('Attention asked for there runs on the CPU, which is a finding and fails --require-kernel', () => {
      expect(info('sdpa@webgpu')).toMatchObject({
        provider: 'cpu',
        kernel: 'Attention',
        proof: 'fallback',
        reason: 'other-provider',
      });
      expect(found('kernel-fallback', 'sdpa@webgpu')).toMatchObject({
        asked: { provider: 'webgpu', kernel: 'attention' },
        provider: 'cpu',
      });
      expect(
        report.verdict.checks
          .filter(({ name, passed }) => name === 'kernel' && !passed)
          .map(({ implementation }) => implementation),
      ).toEqual(['sdpa@webgpu']);
      expect(report.verdict.passed).toBe(false);
    });

    it('MultiHeadAttention runs there, on the same flash shader, with the same fault', () => {
      expect(info('sdpa@webgpu:kernel=mha')).toMatchObject({
        provider: 'webgpu',
        kernel: 'MultiHeadAttention (FlashAttention)',
        proof: 'confirmed',
      });
      expect(found('kernel-fault', 'sdpa@webgpu:kernel=mha')).toMatchObject({
        layers: [0, 1],
        allHeads: true,
        firstToken: 4,
      });
    });

    it('the flash kernel is seen by its shader, and its fault is placed: both layers, all heads, from position 4 on', () => {
      expect(info('flash@webgpu')).toMatchObject({
        provider: 'webgpu',
        kernel: 'GroupQueryAttention (FlashAttention)',
        proof: 'confirmed',
      });
      const fault = found('kernel-fault', 'flash@webgpu');
      expect(fault).toMatchObject({
        provider: 'webgpu',
        kernel: 'flash',
        twin: 'flash@cpu',
        layers: [0, 1],
        heads: [0, 1],
        allHeads: true,
        firstToken: 4,
      });
      expect(fault.relL2).toBeGreaterThan(0.01);
      expect(fault.twinRelL2).toBeLessThan(1e-6);
      expect(found('local-divergence', 'flash@webgpu')).toBeUndefined();
    });

    it('leaves a reproduction of one node that needs onnxruntime-node alone', () => {
      expect(readdirSync(repro)).toEqual(
        expect.arrayContaining(['inputs.json', 'model.onnx', 'run.mjs']),
      );
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
      const { stdout, status } = spawnSync(process.execPath, [join(repro, 'run.mjs')], {
        encoding: 'utf8',
        env: { ...process.env, ...SWIFTSHADER },
      });
      expect(status).toBe(0);
      const [, off, element] =
        /GroupQueryAttention on webgpu against cpu: max \|difference\| (\S+), first beyond 1e-3 at element (\d+) of \[1,80,128\]/.exec(
          stdout,
        )!;
      expect(Number(off)).toBeGreaterThan(0.01);
      expect(Math.floor(Number(element) / 128)).toBeGreaterThanOrEqual(4);
    });

    it('the fault is the reference’s where that has it, in one lane too', () => {
      const turned = runOnSwiftShader<DiffReport>([
        'run',
        '--model',
        MODEL,
        '--random',
        '1x70',
        '--padding',
        'right',
        '--provider',
        'webgpu',
        '--impl',
        'flash,eager',
        '--reference',
        'flash',
      ]);
      expect(turned.findings.find(({ code }) => code === 'kernel-fault')).toMatchObject({
        implementation: 'flash',
        against: 'eager',
        provider: 'webgpu',
        layers: [0, 1],
        allHeads: true,
        firstToken: 4,
      });
      expect(turned.recommendation).toMatchObject({
        training: 'eager',
        against: [{ implementation: 'flash', codes: ['kernel-fault'] }],
      });
    });

    it('a short batch takes another kernel, which is right', () => {
      const short = runOnSwiftShader<DiffReport>([
        'run',
        '--model',
        MODEL,
        '--random',
        '2x16',
        '--padding',
        'left',
        '--provider',
        'webgpu',
        '--impl',
        'eager,flash,exact,original',
      ]);
      expect(
        short.implementations.map(({ name, provider, proof }) => [name, provider, proof]),
      ).toEqual([
        ['eager', 'webgpu', 'confirmed'],
        ['flash', 'webgpu', 'confirmed'],
        ['exact', 'cpu', 'confirmed'],
        ['original', 'webgpu', 'confirmed'],
      ]);
      for (const { relL2 } of short.rows.filter(
        ({ scope, kind }) => scope === 'local' && kind === 'valid',
      ))
        expect(relL2).toBeLessThan(1e-6);
    });

    it('doctor tries each implementation there, and tells what the device lacks', () => {
      const { providers, implementations } = runOnSwiftShader<Diagnosis>(['doctor']);
      expect(providers.find(({ name }) => name === 'webgpu')).toMatchObject({
        status: 'works',
        ran: [{ operator: 'MatMul', provider: 'webgpu' }],
      });
      const kinds = implementations
        .filter(({ provider, precision }) => provider === 'webgpu' && precision !== 'bf16')
        .map(({ implementation, precision, kind }) => `${implementation} ${precision} ${kind}`);
      expect(kinds).toEqual([
        'eager fp32 real',
        'eager fp16 none',
        'sdpa fp32 elsewhere',
        'sdpa fp16 none',
        'flash fp32 real',
        'flash fp16 none',
      ]);
    });

    it('a precision that the device lacks is a failure of that implementation alone', () => {
      const half = runOnSwiftShader<DiffReport>([
        'run',
        '--model',
        MODEL,
        '--random',
        '1x8',
        '--padding',
        'right',
        '--precision',
        'fp16',
        '--impl',
        'eager,eager@webgpu,flash',
      ]);
      expect(half.implementations.find(({ name }) => name === 'eager@webgpu')).toMatchObject({
        proof: 'not-provable',
        reason: 'failed',
        failure: { kind: 'error', problem: expect.stringContaining('f16') },
      });
      expect(half.findings[0]).toMatchObject({
        code: 'implementation-failed',
        implementation: 'eager@webgpu',
      });
      expect(half.rows.some(({ implementation }) => implementation === 'flash')).toBe(true);
      expect(half.verdict.checks.find(({ name }) => name === 'completed')).toMatchObject({
        implementation: 'eager@webgpu',
        passed: false,
      });
    });
  },
);
