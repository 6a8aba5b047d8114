//! A program as text.

use qcc_kernel::program::{Action, BufferId, Place, Program};
use std::fmt::Write;

/// Steps with their buffers, remarks, buffers with their places. Kernels print themselves.
pub fn dump(program: &Program) -> String {
    let mut out = String::new();
    write(program, "", &mut out);
    out
}

fn write(program: &Program, indent: &str, out: &mut String) {
    let name = |b: BufferId| format!("%{}", b.0);
    let list = |all: &[BufferId]| all.iter().map(|&b| name(b)).collect::<Vec<_>>().join(", ");
    let mut line = |text: String| {
        let _ = writeln!(out, "{indent}{text}");
    };
    line(format!(
        "program {} arena {} bytes, constants {} bytes",
        program.name,
        program.arena_bytes,
        program.constants.len()
    ));
    if program.samples != 1 {
        line(format!("runs {} times, once for each sample along axis 0", program.samples));
    }
    for port in &program.inputs {
        line(format!("input  {} {} = {}", name(port.buffer), port.ty, port.name));
    }
    for port in &program.outputs {
        line(format!("output {} {} = {}", name(port.buffer), port.ty, port.name));
    }
    let mut branches = Vec::new();
    for (i, step) in program.steps.iter().enumerate() {
        let what = match &step.action {
            Action::Kernel { kernel, buffers } => {
                format!("kernel {} ({})", program.kernels[*kernel as usize].name, list(buffers))
            }
            Action::Gemm(g) => format!(
                "gemm{} {} x [{} x {} x {}] ({}, {}, {})",
                if g.im2col.is_some() { " of windows" } else { "" },
                g.batch,
                g.m,
                g.k,
                g.n,
                name(g.a.buffer),
                name(g.b.buffer),
                name(g.c.buffer)
            ),
            Action::Halo(h) => format!("border of {} = {:#04x}, {} ranges", name(h.buffer), h.value, h.ranges.len()),
            Action::Reference { op, inputs, outputs, .. } => {
                let inputs: Vec<String> =
                    inputs.iter().map(|i| i.as_ref().map_or("_".into(), |(b, _)| name(*b))).collect();
                let outputs: Vec<BufferId> = outputs.iter().map(|(b, _)| *b).collect();
                format!("reference {} ({}) -> {}", op.name, inputs.join(", "), list(&outputs))
            }
            Action::If { condition, captures, outputs, then_branch, else_branch } => {
                branches.push((i, then_branch, else_branch));
                format!("if {} ({}) -> {}", name(*condition), list(captures), list(outputs))
            }
            Action::Copy { from, to, bytes } => format!("copy {bytes} bytes {} -> {}", name(*from), name(*to)),
        };
        let remark = step.remark.as_ref().map(|r| format!("  # {r}")).unwrap_or_default();
        line(format!("{i:>4} {:<28} {what}{remark}", step.name));
    }
    for (i, buffer) in program.buffers.iter().enumerate() {
        let place = match buffer.place {
            Place::Arena(at) => format!("arena + {at}"),
            Place::Constant(at) => format!("constant + {at}"),
        };
        line(format!("%{i:<4} {:<28} {:>9} bytes at {place}", buffer.name, buffer.bytes));
    }
    for (i, then_branch, else_branch) in branches {
        for (which, branch) in [("then", then_branch), ("else", else_branch)] {
            let _ = writeln!(out, "{indent}step {i}, {which}:");
            write(branch, &format!("{indent}  "), out);
        }
    }
}
