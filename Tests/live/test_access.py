"""Users, roles and grants that follow a log (`extra_info.enable_user_role`)."""

import base64

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import lib
from recordings import Recording
from test_log import begin, wait_read, witness_for

ON = {"extra_info": {"enable_user_role": True}}
OWN_ROLES = {"admin", "public"}


class Access:
    """Calls about users and roles, as pymilvus's stub makes them."""

    def __init__(self, server):
        self.client = lib.client(server)
        handler = self.client._get_connection() if hasattr(self.client, "_get_connection") else self.client._handler
        self.stub = handler._stub
        # A grant wants to know a grantor, also where nobody is asked for a password.
        self.metadata = [("authorization", base64.b64encode(b"root:Milvus").decode())]

    def do(self, method, request):
        answer = getattr(self.stub, method)(request, metadata=self.metadata, timeout=20)
        status = answer if isinstance(answer, common_pb2.Status) else answer.status
        assert status.code == 0 and status.error_code == 0, f"{method}: {status}"
        return answer

    def create_user(self, name):
        self.do("CreateCredential", milvus_pb2.CreateCredentialRequest(username=name, password=base64.b64encode(b"Passw0rd!").decode()))

    def drop_user(self, name):
        self.do("DeleteCredential", milvus_pb2.DeleteCredentialRequest(username=name))

    def create_role(self, name):
        self.do("CreateRole", milvus_pb2.CreateRoleRequest(entity=milvus_pb2.RoleEntity(name=name)))

    def drop_role(self, name, force=False):
        self.do("DropRole", milvus_pb2.DropRoleRequest(role_name=name, force_drop=force))

    def bind(self, user, role, kind="AddUserToRole"):
        self.do("OperateUserRole", milvus_pb2.OperateUserRoleRequest(username=user, role_name=role, type=kind))

    def grant(self, role, privilege, collection, database="default", kind="Grant"):
        entity = milvus_pb2.GrantEntity(
            role=milvus_pb2.RoleEntity(name=role), object=milvus_pb2.ObjectEntity(name="Collection"), object_name=collection,
            grantor=milvus_pb2.GrantorEntity(privilege=milvus_pb2.PrivilegeEntity(name=privilege)), db_name=database)
        self.do("OperatePrivilege", milvus_pb2.OperatePrivilegeRequest(entity=entity, type=kind))

    def users(self):
        return set(self.do("ListCredUsers", milvus_pb2.ListCredUsersRequest()).usernames) - {"root"}

    def roles(self):
        """role → its users, without those that every server has."""
        found = self.do("SelectRole", milvus_pb2.SelectRoleRequest(include_user_info=True)).results
        return {r.role.name: {u.name for u in r.users} for r in found if r.role.name not in OWN_ROLES}

    def grants(self, role, database="default"):
        entity = milvus_pb2.GrantEntity(role=milvus_pb2.RoleEntity(name=role), db_name=database)
        found = self.do("SelectGrant", milvus_pb2.SelectGrantRequest(entity=entity)).entities
        return {(g.object_name, g.grantor.privilege.name) for g in found}

    def clear(self):
        for role in self.roles():
            for database in self.client.list_databases():
                for name, privilege in self.grants(role, database):
                    self.grant(role, privilege, name, database, kind="Revoke")
            self.drop_role(role)
        for user in self.users():
            self.drop_user(user)


@pytest.fixture
def access(milvus):
    found = Access(milvus)
    found.clear()
    yield found
    found.clear()


def wait_for(what, found, wanted, seconds=60):
    def same():
        now = found()
        assert now == wanted, (now, wanted)
        return True

    lib.wait_until(same, seconds, 0.2, what)


@pytest.mark.parametrize("name", ["source", "source-v3"])
def test_recorded_users_and_roles_end_as_they_did(name, milvus, access, bridges, log_witness):
    recording = Recording(name)
    witness = witness_for(recording, log_witness, "--pchannels", ",".join(recording.pchannels))
    access.create_user("bob")
    bridge, task = begin(bridges, witness, milvus, **ON)
    recording.append_to(witness)
    progress = wait_read(bridge, task)
    # `reader` and `alice` came and went; a restore of a backup left `writer` and `bob`.
    assert access.roles() == {"writer": {"bob"}} and access.users() == {"bob"}
    notes = "\n".join(progress["not_replicated"])
    # This target takes no hashes, and knows no privilege groups.
    assert "user alice: its password is in the log as a hash only" in notes
    assert "role reader of user alice: the target has no such user" in notes
    assert "user bob: its password cannot be replicated, the target keeps its own" in notes
    assert "privilege group pg1: the target does not have" in notes
    assert "\nrole reader:" not in f"\n{notes}" and "privilege Search" not in notes and "privilege Insert" not in notes


def test_roles_and_grants_follow_under_their_new_names(milvus, access, sandbox, bridges):
    source = Access(sandbox)
    lib.make(source.client, "films")
    source.create_role("elder")
    source.create_user("anna")
    access.create_user("anna")
    bridge = bridges(sandbox)
    task = bridge.create(
        milvus, db_collections={"default": [{"name": "films"}]}, capture="wal",
        name_mapping=[{"source_db": "default", "target_db": "default", "collection_mapping": {"films": "movies"}}], **ON)
    wait_for("what stood before is copied", access.roles, {"elder": set()})
    source.create_role("reader")
    source.bind("anna", "reader")
    source.grant("reader", "Search", "films")
    source.grant("reader", "Insert", "other")
    wait_for("the role is given", access.roles, {"elder": set(), "reader": {"anna"}})
    wait_for("the grant is there", lambda: access.grants("reader"), {("movies", "Search")})
    notes = bridge.progress(task)["not_replicated"]
    assert any("default.other" in note and "does not cover" in note for note in notes), notes

    bridge.kill()
    source.grant("reader", "Search", "films", kind="Revoke")
    source.grant("reader", "Query", "films")
    source.drop_role("elder")
    source.bind("anna", "reader", "RemoveUserFromRole")
    bridge.start()
    wait_for("the roles follow", access.roles, {"reader": set()})
    wait_for("the grants follow", lambda: access.grants("reader"), {("movies", "Query")})
    source.drop_role("reader", force=True)
    source.drop_user("anna")
    wait_for("the role is gone with its grants", access.roles, {})
    wait_for("the user is gone", access.users, set())
    lib.wait_until(lambda: bridge.progress(task)["collections"][0]["state"] == "following", 30, what="rows were not held up")


def test_a_target_without_roles_is_named(lite, sandbox, bridges):
    source = Access(sandbox)
    bridge, task = begin(bridges, sandbox, lite, **ON)
    source.create_role("reader")
    lib.make(source.client, "films")

    def named():
        notes = bridge.progress(task)["not_replicated"]
        assert any("role reader: the target does not have users and roles" in note for note in notes), notes
        return True

    lib.wait_until(named, 60, what="the role is named")
    lib.wait_until(lambda: lib.client(lite).has_collection("films"), 60, what="the collection comes all the same")
