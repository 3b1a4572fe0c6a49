// ONNX Runtime's binaries report the models they load to their maker unless told not to before they are loaded.
process.env['ORT_DISABLE_TELEMETRY'] = '1';
