// Runs a Python program in Pyodide: node run.mjs FOLDER PROGRAM, where FOLDER holds the
// package, and can be read there as /package.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

const [folder, program] = process.argv.slice(2);
const pyodide = await loadPyodide();
pyodide.FS.mkdirTree("/package");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: folder }, "/package");
try {
  await pyodide.runPythonAsync(readFileSync(program, "utf8"));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
