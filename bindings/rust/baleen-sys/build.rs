//! Tells the linker where libbaleen is, by pkg-config or, where there is none,
//! by BALEEN_LIB_DIR.  With BALEEN_STATIC set it is linked statically.
use std::env;
use std::process::Command;

fn main() {
    for name in
        ["BALEEN_LIB_DIR", "BALEEN_STATIC", "PKG_CONFIG", "PKG_CONFIG_PATH"]
    {
        println!("cargo:rerun-if-env-changed={}", name);
    }
    let link_statically = env::var_os("BALEEN_STATIC").is_some();
    if let Ok(folder) = env::var("BALEEN_LIB_DIR") {
        println!("cargo:rustc-link-search=native={}", folder);
        link("baleen", link_statically);
        if link_statically {
            link("stdc++", false);
        }
        return;
    }
    for flag in ask_pkg_config(link_statically).split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", folder);
        } else if let Some(name) = flag.strip_prefix("-l") {
            link(name, link_statically && name == "baleen");
        }
    }
}

fn link(name: &str, statically: bool) {
    let kind = if statically { "static" } else { "dylib" };
    println!("cargo:rustc-link-lib={}={}", kind, name);
}

fn ask_pkg_config(link_statically: bool) -> String {
    let program =
        env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_string());
    let mut command = Command::new(&program);
    // With the folder, even if it is one of the system's.
    command.env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1");
    command.args(["--libs", "baleen >= 1.0"]);
    if link_statically {
        command.arg("--static");
    }
    match command.output() {
        Ok(output) if output.status.success() => {
            String::from_utf8(output.stdout).expect("pkg-config's answer is not UTF-8")
        }
        Ok(output) => panic!(
            "{} does not know baleen: set PKG_CONFIG_PATH or BALEEN_LIB_DIR\n{}",
            program,
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{} does not run ({}): set BALEEN_LIB_DIR", program, error),
    }
}
