# shellcheck shell=bash
# Mesa 26 with the shims that stand in for kernel drivers, from Debian sid, in a folder of its own: nothing is installed and nothing
# needs root. apt works in there with its own lists, its own cache and an empty list of installed packages, so that it fetches every
# library down to libc; dpkg-deb unpacks them. About 350 MB to fetch and 1.2 GB unpacked.
#
# Mesa 25, which scripts/lib/driver.sh installs, has no such shims in Debian 12.

SID_PACKAGES='mesa-drm-shim mesa-vulkan-drivers libvulkan1'

# apt-get in a folder. Lists, cache and state lie there; the keyring is the machine's. A mirror may lag behind: what it has is signed
# all the same, and is only run here.
sid_apt() {
    local folder=$1
    shift
    apt-get -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
        -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$folder/state" -o Dir::State::Lists="$folder/state/lists" \
        -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" -o Dir::Cache::archives="$folder/cache/archives" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o APT::Install-Recommends=false -o Acquire::Check-Valid-Until=false "$@"
}

# bring_mesa26 FOLDER: leaves FOLDER/root, or says what is missing and fails.
bring_mesa26() {
    local folder=$1 package
    [ -e "$folder/complete" ] && return 0
    if ! have apt-get || ! have dpkg-deb || [ "$(uname -m)" != x86_64 ]; then
        say "Mesa 26 and its shims come as Debian's amd64 packages; apt-get and dpkg-deb are needed to unpack them"
        return 1
    fi
    rm -rf "$folder"
    mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,root}
    : >"$folder/status"
    echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main' >"$folder/sources.list"
    say "fetching Mesa 26 with its shims from Debian sid into $folder (about 350 MB)"
    sid_apt "$folder" update >&2 || return 1
    # shellcheck disable=SC2086
    sid_apt "$folder" install -y --download-only $SID_PACKAGES >&2 || return 1
    say 'unpacking'
    for package in "$folder"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$folder/root" || return 1
    done
    rm -rf "$folder/cache" "$folder/state"
    touch "$folder/complete"
}
