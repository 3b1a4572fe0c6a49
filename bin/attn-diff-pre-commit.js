#!/usr/bin/env node
import '../dist/preCommit.js';
