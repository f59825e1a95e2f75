/* node check.js MODULES SCHEMA FILE...: one line a file, "valid FILE" or "invalid FILE: why". MODULES
 * is the folder node_modules that npm made. */
const fs = require("fs");
const [modules, schema, ...files] = process.argv.slice(2);
const Ajv = require(modules + "/ajv/dist/2020");
const formats = require(modules + "/ajv-formats");
const ajv = new Ajv({ strict: false, allErrors: true, allowUnionTypes: true, discriminator: true });
formats(ajv);
const valid = ajv.compile(JSON.parse(fs.readFileSync(schema)));
for (const file of files) {
    if (valid(JSON.parse(fs.readFileSync(file)))) {
        console.log("valid " + file);
        continue;
    }
    /* Which branch was meant nobody knows: the errors inside of the branches say more. */
    const why = valid.errors.filter((e) => !["oneOf", "anyOf"].includes(e.keyword)).slice(0, 8);
    console.log("invalid " + file + ": " + why.map((e) =>
        (e.instancePath || "/") + " " + e.message + " " + JSON.stringify(e.params)).join("; "));
}
