# shellcheck shell=bash
# Finds out whether this machine has a Vulkan adapter, and installs a software one if there is none.
#
# Nothing is compiled yet when this runs, and vulkaninfo may be missing, so it looks at files: a
# loader library, driver manifests, device nodes. The loader itself uses the same evidence. Every path
# can be redirected, for tests.
: "${PIXTAPE_ROOT:=}"         # prefix of every path
: "${PIXTAPE_OS:=$(uname -s)}"
: "${PIXTAPE_DRY_RUN:=}"      # set: print the commands that would change the machine, run none

say() { printf 'pixtape: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# A field of os-release (ID, ID_LIKE, VERSION_CODENAME), empty where unknown.
os_field() {
    local file="$PIXTAPE_ROOT/etc/os-release"
    [ -r "$file" ] || return 0
    sed -n "s/^$1=//p" "$file" | tr -d '"'\' | head -n 1
}

# debian (with everything that uses apt), fedora, arch, macos or other.
family() {
    if [ "$PIXTAPE_OS" = Darwin ]; then echo macos; return; fi
    case " $(os_field ID) $(os_field ID_LIKE) " in
        *' debian '*|*' ubuntu '*) echo debian ;;
        *' fedora '*|*' rhel '*) echo fedora ;;
        *' arch '*) echo arch ;;
        *) echo other ;;
    esac
}

has_loader() {
    local file
    if [ -z "$PIXTAPE_ROOT" ]; then
        # ldconfig lives in /sbin, which an ordinary user's PATH may lack.
        # (No grep -q at the end of a pipe: it closes the pipe early, which pipefail takes for a failure.)
        PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null && return 0
    fi
    for file in "$PIXTAPE_ROOT"/{usr/,}lib{,64}{,/*-linux-*}/libvulkan.so.1 "$PIXTAPE_ROOT"/usr/local/lib/libvulkan.so.1; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# The driver manifests the loader would read, one per line.
manifests() {
    local chosen=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} entry file folder
    local -a parts=()
    if [ -n "$chosen" ]; then
        IFS=: read -ra parts <<<"$chosen"
    else
        for folder in "$PIXTAPE_ROOT"{/usr/share,/usr/local/share,/etc}/vulkan/icd.d "${XDG_DATA_HOME:-${HOME:-}/.local/share}/vulkan/icd.d"; do
            parts+=("$folder")
        done
    fi
    # An entry may be a manifest or a folder of them.
    for entry in "${parts[@]}"; do
        if [ -f "$entry" ]; then echo "$entry"; continue; fi
        for file in "$entry"/*.json; do
            [ -f "$file" ] && echo "$file"
        done
    done
    return 0
}

# Is there a device behind this manifest? Without one it is only part of Mesa's full set of drivers.
has_device() {
    local node
    local -a nodes=("$PIXTAPE_ROOT"/dev/dri/render*)
    case "$(basename "$1")" in nvidia*) nodes=("$PIXTAPE_ROOT"/dev/nvidia[0-9]*) ;; esac
    # WSL reaches every GPU through /dev/dxg.
    for node in "${nodes[@]}" "$PIXTAPE_ROOT"/dev/dxg; do
        [ -e "$node" ] && return 0
    done
    return 1
}

is_software() {
    case "$(basename "$1")" in
        lvp_icd*|vk_swiftshader_icd*) return 0 ;;
        *) return 1 ;;
    esac
}

# The installed Mesa's major version, empty where it did not come as a package.
mesa_major() {
    have dpkg-query || return 0
    # shellcheck disable=SC2016
    dpkg-query ${PIXTAPE_ROOT:+--admindir="$PIXTAPE_ROOT/var/lib/dpkg"} -W -f '${db:Status-Abbrev}${Version}\n' mesa-vulkan-drivers 2>/dev/null |
        sed -n '1s/^ii *\([0-9]*\).*/\1/p' || true
}

# What is there: metal, hardware, software, old-software (Mesa before 23: works, about five times slower than 25) or none.
look_for_adapter() {
    local manifest software='' system=''
    if [ "$PIXTAPE_OS" = Darwin ]; then echo metal; return; fi
    if ! has_loader; then echo none; return; fi
    while IFS= read -r manifest; do
        if is_software "$manifest"; then
            software=$manifest
            case "$manifest" in
                "$PIXTAPE_ROOT"/usr/share/vulkan/*/lvp_icd*) system=1 ;;
            esac
        elif has_device "$manifest"; then
            echo hardware; return
        fi
    done < <(manifests)
    if [ -z "$software" ]; then echo none; return; fi
    local major; major=$(mesa_major)
    # A driver that the user chose is accepted.
    if [ -n "$system" ] && [ -n "$major" ] && [ "$major" -lt 23 ]; then echo old-software; else echo software; fi
}

# How this user can become root: nothing for root, "sudo", or "no". In CI and without a terminal
# sudo must not ask for a password.
root_by() {
    if [ "${PIXTAPE_UID:-$(id -u)}" = 0 ]; then echo ''; return; fi
    if ! have sudo; then echo no; return; fi
    if sudo -n true 2>/dev/null; then echo sudo; return; fi
    if [ -t 0 ] && [ "${CI:-}" != true ] && [ -z "$PIXTAPE_DRY_RUN" ]; then echo sudo; else echo no; fi
}

as_root() {
    local by; by=$(root_by)
    if [ -n "$PIXTAPE_DRY_RUN" ]; then say "would run: ${by:+$by }$*"; return 0; fi
    # sudo drops the environment, hence env.
    ${by:+"$by"} env DEBIAN_FRONTEND=noninteractive "$@"
}

# apt's lists go stale and mirrors fail; an install from old lists often still works, so a failure
# here is only reported.
apt_update() {
    as_root apt-get update -qq && return 0
    say 'apt-get update failed, trying once more'
    [ -n "$PIXTAPE_DRY_RUN" ] || sleep 3
    as_root apt-get update -qq || say 'apt-get update failed again; going on with the lists that are there'
}

apt_install() { as_root apt-get install -y -qq --no-install-recommends "$@"; }

# The suite that has a faster driver than the release: Mesa 25 for Debian 12 (whose own takes five times as long), Mesa 26 for Debian 13
# (whose 25 takes 1.7 times as long). Empty elsewhere.
backports() {
    [ "$(os_field ID)" = debian ] || return 0
    case "$(os_field VERSION_CODENAME)" in
        bookworm) echo bookworm-backports ;;
        trixie) echo trixie-backports ;;
    esac
}

backports_mesa() { if [ "$(backports)" = trixie-backports ]; then echo 26; else echo 25; fi; }
backports_file() { echo "/etc/apt/sources.list.d/$(backports).sources"; }
# With \n as two characters, for printf.
backports_text() {
    printf '%s' "Types: deb\\nURIs: http://deb.debian.org/debian\\nSuites: $(backports)\\nComponents: main\\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\\n"
}

# A second copy of an existing source makes apt complain on every run.
has_backports() {
    grep -qs "^[^#]*$(backports)" "$PIXTAPE_ROOT"/etc/apt/sources.list "$PIXTAPE_ROOT"/etc/apt/sources.list.d/*
}

# The line for the user to type; without sudo on the machine it is for a root shell.
type_line() {
    if [ "${PIXTAPE_UID:-$(id -u)}" != 0 ] && have sudo; then echo "type: $1"; else echo "as root type: ${1//sudo /}"; fi
}

# The line that installs a driver.
driver_line() {
    case "$(family)" in
        debian)
            if [ -n "$(backports)" ]; then
                local add=''
                has_backports || add="printf '$(backports_text)' | sudo tee $(backports_file) && "
                echo "${add}sudo apt-get update && sudo apt-get install -y libvulkan1 && sudo apt-get install -y -t $(backports) mesa-vulkan-drivers"
            else
                echo 'sudo apt-get update && sudo apt-get install -y libvulkan1 mesa-vulkan-drivers'
            fi ;;
        fedora) echo 'sudo dnf install -y vulkan-loader mesa-vulkan-drivers' ;;
        arch) echo 'sudo pacman -S --needed vulkan-icd-loader vulkan-swrast' ;;
        *) echo "install the Vulkan loader (libvulkan.so.1) and Mesa's lavapipe with your package manager" ;;
    esac
}

install_backport() {
    local added=''
    if ! has_backports; then
        say "adding $(backports_file)"
        # shellcheck disable=SC2016
        as_root sh -c 'printf "$1" >"$2"' sh "$(backports_text)" "$(backports_file)" || return 1
        added=1
    fi
    apt_update
    apt_install -t "$(backports)" libvulkan1 mesa-vulkan-drivers && return 0
    # A source that cannot be reached would spoil every later apt-get update.
    if [ -n "$added" ]; then
        say "removing $(backports_file) again"
        as_root rm -f "$(backports_file)"
        apt_update
    fi
    return 1
}

install_driver() {
    if [ -n "$(backports)" ]; then
        say "installing libvulkan1 and mesa-vulkan-drivers (Mesa $(backports_mesa), from $(backports)) with apt"
        install_backport && return 0
        say 'the backport cannot be had here; installing the stock driver, which is slower'
    else
        say 'installing libvulkan1 and mesa-vulkan-drivers (software Vulkan) with apt'
        apt_update
    fi
    apt_install libvulkan1 mesa-vulkan-drivers
}

# Leaves the machine with an adapter, or ends the script with the line to type.
ensure_adapter() {
    case "$(look_for_adapter)" in
        metal) say 'macOS: Metal is there, nothing to install' ;;
        hardware) say 'a Vulkan driver for a GPU is there, nothing to install' ;;
        software) say 'a software Vulkan driver is there, nothing to install' ;;
        old-software) offer_backport ;;
        none)
            if [ "$(family)" = other ]; then fail "no Vulkan adapter found; $(driver_line)"; fi
            if [ "$(family)" != debian ]; then
                fail "no Vulkan adapter found; $(type_line "$(driver_line)")"
            fi
            if [ "$(root_by)" = no ]; then
                fail "no Vulkan adapter found, and installing one takes root; $(type_line "$(driver_line)")"
            fi
            say 'no Vulkan adapter found'
            install_driver || fail "apt could not install the driver; $(type_line "$(driver_line)")"
            if [ -z "$PIXTAPE_DRY_RUN" ] && [ "$(look_for_adapter)" = none ]; then
                fail 'the driver was installed, yet no Vulkan driver shows; is VK_DRIVER_FILES or VK_ICD_FILENAMES set to something else?'
            fi ;;
    esac
}

# Only an old lavapipe: it works, so replacing it is the owner's choice.
offer_backport() {
    local answer=no
    if [ -z "$(backports)" ] || [ "$(root_by)" = no ]; then
        answer=no
    elif [ "${CI:-}" = true ]; then
        answer=yes
    elif [ -t 0 ] && [ -t 2 ]; then
        read -r -p "pixtape: the software driver is Mesa $(mesa_major); Mesa $(backports_mesa) from $(backports) is about five times faster. Install it? [y/N] " answer || answer=no
    fi
    case "$answer" in
        [yY]*)
            say "installing mesa-vulkan-drivers from $(backports) with apt"
            install_backport || say 'the backport cannot be had here; going on with the stock driver' ;;
        *)
            if [ -n "$(backports)" ]; then
                say "going on with Mesa $(mesa_major)'s software driver; Mesa 25 is about five times faster, $(type_line "$(driver_line)")"
            else
                say "going on with Mesa $(mesa_major)'s software driver; Mesa 25 is about five times faster"
            fi ;;
    esac
}

# Rust and its linker: all that the build needs.
ensure_toolchain() {
    # If it was just installed, rustup is not yet on this shell's PATH.
    if ! have cargo && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
        export PATH
    fi
    have cargo || fail "cargo is missing; type: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    if have cc; then return 0; fi
    case "$(family)" in
        debian)
            if [ "$(root_by)" = no ]; then
                fail "a C linker is missing; $(type_line 'sudo apt-get update && sudo apt-get install -y gcc libc6-dev')"
            fi
            say 'no C linker found: installing gcc and libc6-dev with apt'
            apt_update
            apt_install gcc libc6-dev || fail 'apt could not install gcc and libc6-dev; install a C linker and try again' ;;
        fedora) fail "a C linker is missing; $(type_line 'sudo dnf install -y gcc')" ;;
        arch) fail "a C linker is missing; $(type_line 'sudo pacman -S --needed gcc')" ;;
        macos) fail 'a C linker is missing; type: xcode-select --install' ;;
        *) fail 'a C linker (cc) is missing; install gcc or clang with your package manager' ;;
    esac
}
